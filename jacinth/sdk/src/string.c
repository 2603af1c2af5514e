// <string.h>. Blocks are moved eight bytes at a time by plain loads and stores: `rep movsb` is slow on an
// emulated CPU.

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

void* memcpy(void* restrict to, const void* restrict from, size_t size) {
  char* d = to;
  const char* s = from;
  if (size >= 64) {
    size_t words = size / 8;
    __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
    size &= 7;
  }
  for (; size >= 8; size -= 8, d += 8, s += 8) *(word_t*)d = *(const word_t*)s;
  for (; size > 0; size--) *d++ = *s++;
  return to;
}

void* memmove(void* to, const void* from, size_t size) {
  if ((uintptr_t)to - (uintptr_t)from >= size) return memcpy(to, from, size);
  // The target starts inside the source: from the end.
  char* d = (char*)to + size;
  const char* s = (const char*)from + size;
  for (; size >= 8; size -= 8) {
    d -= 8, s -= 8;
    *(word_t*)d = *(const word_t*)s;
  }
  for (; size > 0; size--) *--d = *--s;
  return to;
}

void* memset(void* to, int byte, size_t size) {
  char* d = to;
  uint64_t pattern = (unsigned char)byte * UINT64_C(0x0101010101010101);
  if (size >= 64) {
    size_t words = size / 8;
    __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    size &= 7;
  }
  for (; size >= 8; size -= 8, d += 8) *(word_t*)d = pattern;
  for (; size > 0; size--) *d++ = (char)byte;
  return to;
}

int memcmp(const void* left, const void* right, size_t size) {
  const unsigned char *a = left, *b = right;
  for (; size >= 8 && *(const word_t*)a == *(const word_t*)b; size -= 8) a += 8, b += 8;
  for (; size > 0; size--, a++, b++) {
    if (*a != *b) return *a - *b;
  }
  return 0;
}

void* memchr(const void* memory, int byte, size_t size) {
  const unsigned char* p = memory;
  for (; size > 0; size--, p++) {
    if (*p == (unsigned char)byte) return (void*)p;
  }
  return NULL;
}

size_t strlen(const char* s) {
  const char* end = s;
  while (*end != '\0') end++;
  return (size_t)(end - s);
}

size_t strnlen(const char* s, size_t limit) {
  const char* end = memchr(s, '\0', limit);
  return end == NULL ? limit : (size_t)(end - s);
}

int strcmp(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char* a, const char* b, size_t limit) {
  for (; limit > 0; limit--, a++, b++) {
    if (*a != *b || *a == '\0') return (unsigned char)*a - (unsigned char)*b;
  }
  return 0;
}

int strcasecmp(const char* a, const char* b) {
  while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) a++, b++;
  return tolower((unsigned char)*a) - tolower((unsigned char)*b);
}

char* strchr(const char* s, int c) {
  for (;; s++) {
    if (*s == (char)c) return (char*)s;
    if (*s == '\0') return NULL;
  }
}

char* strrchr(const char* s, int c) {
  const char* found = NULL;
  for (;; s++) {
    if (*s == (char)c) found = s;
    if (*s == '\0') return (char*)found;
  }
}

char* strcpy(char* restrict to, const char* restrict from) {
  memcpy(to, from, strlen(from) + 1);
  return to;
}

char* stpcpy(char* restrict to, const char* restrict from) {
  size_t length = strlen(from);
  memcpy(to, from, length + 1);
  return to + length;
}

char* strncpy(char* restrict to, const char* restrict from, size_t size) {
  size_t length = strnlen(from, size);
  memcpy(to, from, length);
  memset(to + length, 0, size - length);
  return to;
}

size_t strlcpy(char* restrict to, const char* restrict from, size_t size) {
  size_t length = strlen(from);
  if (size > 0) {
    size_t kept = length < size ? length : size - 1;
    memcpy(to, from, kept);
    to[kept] = '\0';
  }
  return length;
}

char* strcat(char* restrict to, const char* restrict from) {
  strcpy(to + strlen(to), from);
  return to;
}

char* strncat(char* restrict to, const char* restrict from, size_t limit) {
  char* end = to + strlen(to);
  size_t length = strnlen(from, limit);
  memcpy(end, from, length);
  end[length] = '\0';
  return to;
}

char* strstr(const char* text, const char* wanted) {
  size_t length = strlen(wanted);
  for (; strncmp(text, wanted, length) != 0; text++) {
    if (*text == '\0') return NULL;
  }
  return (char*)text;
}

size_t strspn(const char* s, const char* set) {
  size_t length = 0;
  while (s[length] != '\0' && strchr(set, s[length]) != NULL) length++;
  return length;
}

size_t strcspn(const char* s, const char* set) {
  size_t length = 0;
  while (s[length] != '\0' && strchr(set, s[length]) == NULL) length++;
  return length;
}

char* strpbrk(const char* s, const char* set) {
  s += strcspn(s, set);
  return *s == '\0' ? NULL : (char*)s;
}

char* strtok_r(char* restrict s, const char* restrict separators, char** restrict rest) {
  if (s == NULL) s = *rest;
  s += strspn(s, separators);
  if (*s == '\0') {
    *rest = s;
    return NULL;
  }
  char* end = s + strcspn(s, separators);
  *rest = *end == '\0' ? end : end + 1;
  *end = '\0';
  return s;
}

char* strtok(char* restrict s, const char* restrict separators) {
  static char* rest;
  return strtok_r(s, separators, &rest);
}

char* strndup(const char* s, size_t limit) {
  size_t length = strnlen(s, limit);
  char* copy = malloc(length + 1);
  if (copy != NULL) {
    memcpy(copy, s, length);
    copy[length] = '\0';
  }
  return copy;
}

char* strdup(const char* s) { return strndup(s, strlen(s)); }
