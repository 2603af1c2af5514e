#ifndef STDLIB_H_
#define STDLIB_H_

#include <stddef.h>
#include <zircon/compiler.h>

__BEGIN_CDECLS

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fffffff

void* malloc(size_t size) __MALLOC;
void* calloc(size_t count, size_t size) __MALLOC;
void* realloc(void* memory, size_t size);
void* aligned_alloc(size_t alignment, size_t size) __MALLOC;
void free(void* memory);

void exit(int status) __NO_RETURN;
void _Exit(int status) __NO_RETURN;
void abort(void) __NO_RETURN;
int atexit(void (*function)(void));
char* getenv(const char* name);

int atoi(const char* text);
long atol(const char* text);
long long atoll(const char* text);
long strtol(const char* __RESTRICT text, char** __RESTRICT end, int base);
long long strtoll(const char* __RESTRICT text, char** __RESTRICT end, int base);
unsigned long strtoul(const char* __RESTRICT text, char** __RESTRICT end, int base);
unsigned long long strtoull(const char* __RESTRICT text, char** __RESTRICT end, int base);

int abs(int n) __CONST;
long labs(long n) __CONST;
long long llabs(long long n) __CONST;
int rand(void);
void srand(unsigned seed);

void qsort(void* array, size_t count, size_t size, int (*compare)(const void*, const void*));
void* bsearch(const void* key, const void* array, size_t count, size_t size,
              int (*compare)(const void*, const void*));

__END_CDECLS

#endif  // STDLIB_H_
