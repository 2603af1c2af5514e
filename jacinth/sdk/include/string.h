#ifndef STRING_H_
#define STRING_H_

#include <stddef.h>
#include <zircon/compiler.h>

__BEGIN_CDECLS

void* memcpy(void* __RESTRICT to, const void* __RESTRICT from, size_t size);
void* memmove(void* to, const void* from, size_t size);
void* memset(void* to, int byte, size_t size);
int memcmp(const void* left, const void* right, size_t size);
void* memchr(const void* memory, int byte, size_t size);

size_t strlen(const char* s);
size_t strnlen(const char* s, size_t limit);
int strcmp(const char* a, const char* b);
int strncmp(const char* a, const char* b, size_t limit);
int strcasecmp(const char* a, const char* b);
char* strchr(const char* s, int c);
char* strrchr(const char* s, int c);
char* strstr(const char* text, const char* wanted);
size_t strspn(const char* s, const char* set);
size_t strcspn(const char* s, const char* set);
char* strpbrk(const char* s, const char* set);
char* strtok(char* __RESTRICT s, const char* __RESTRICT separators);
char* strtok_r(char* __RESTRICT s, const char* __RESTRICT separators, char** __RESTRICT rest);

char* strcpy(char* __RESTRICT to, const char* __RESTRICT from);
char* stpcpy(char* __RESTRICT to, const char* __RESTRICT from);
char* strncpy(char* __RESTRICT to, const char* __RESTRICT from, size_t size);
size_t strlcpy(char* __RESTRICT to, const char* __RESTRICT from, size_t size);
char* strcat(char* __RESTRICT to, const char* __RESTRICT from);
char* strncat(char* __RESTRICT to, const char* __RESTRICT from, size_t limit);
char* strdup(const char* s);
char* strndup(const char* s, size_t limit);

__END_CDECLS

#endif  // STRING_H_
