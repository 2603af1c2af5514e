// <stdlib.h> and <ctype.h>, but for the memory allocator.

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zircon/assert.h>

#include "internal.h"

HIDDEN void __jx_run_finalizers(void);

// -- the end of the program --

struct exit_function {
  void (*call)(void*);
  void* argument;
};

static struct exit_function exit_functions[128];
static size_t exit_count;
static mtx_t exit_lock;

static void call_plain(void* argument) { ((void (*)(void))argument)(); }

int __cxa_atexit(void (*call)(void*), void* argument, void* dso) {
  (void)dso;
  mtx_lock(&exit_lock);
  bool room = exit_count < sizeof(exit_functions) / sizeof(exit_functions[0]);
  if (room) exit_functions[exit_count++] = (struct exit_function){call, argument};
  mtx_unlock(&exit_lock);
  return room ? 0 : -1;
}

int atexit(void (*function)(void)) { return __cxa_atexit(call_plain, (void*)function, NULL); }

void exit(int status) {
  __jx_run_thread_exits();
  for (;;) {
    mtx_lock(&exit_lock);
    bool left = exit_count > 0;
    struct exit_function next = left ? exit_functions[--exit_count] : (struct exit_function){NULL, NULL};
    mtx_unlock(&exit_lock);
    if (!left) break;
    next.call(next.argument);
  }
  __jx_run_finalizers();
  __jx_stdio_flush();
  zx_process_exit(status);
}

void _Exit(int status) { zx_process_exit(status); }
void _exit(int status) { zx_process_exit(status); }

void abort(void) { __builtin_trap(); }

void __stack_chk_fail(void) { __builtin_trap(); }

static _Noreturn void last_line(const char* format, va_list arguments) {
  vfprintf(stderr, format, arguments);
  fputs("\n", stderr);
  abort();
}

HIDDEN void __jx_fatal(const char* format, ...) {
  fflush(stdout);
  va_list arguments;
  va_start(arguments, format);
  last_line(format, arguments);
}

void __jx_assert_fail(const char* text, const char* file, int line, const char* function) {
  __jx_fatal("%s:%d: %s: assertion failed: %s", file, line, function, text);
}

void __jx_panic(const char* file, int line, const char* format, ...) {
  fflush(stdout);
  fprintf(stderr, "%s:%d: panic: ", file, line);
  va_list arguments;
  va_start(arguments, format);
  last_line(format, arguments);
}

char* getenv(const char* name) {
  size_t length = strlen(name);
  for (char** entry = environ; entry != NULL && *entry != NULL; entry++) {
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
  }
  return NULL;
}

// -- numbers --

int isdigit(int c) { return c >= '0' && c <= '9'; }
int isupper(int c) { return c >= 'A' && c <= 'Z'; }
int islower(int c) { return c >= 'a' && c <= 'z'; }
int isalpha(int c) { return isupper(c) || islower(c); }
int isalnum(int c) { return isalpha(c) || isdigit(c); }
int isspace(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
int isprint(int c) { return c >= ' ' && c <= '~'; }
int isgraph(int c) { return c > ' ' && c <= '~'; }
int ispunct(int c) { return isgraph(c) && !isalnum(c); }
int iscntrl(int c) { return (c >= 0 && c < ' ') || c == 127; }
int isxdigit(int c) { return isdigit(c) || (tolower(c) >= 'a' && tolower(c) <= 'f'); }
int tolower(int c) { return isupper(c) ? c + ('a' - 'A') : c; }
int toupper(int c) { return islower(c) ? c - ('a' - 'A') : c; }

static int digit_value(char c) {
  if (isdigit(c)) return c - '0';
  return isalpha(c) ? tolower(c) - 'a' + 10 : INT_MAX;
}

struct integer {
  unsigned long long magnitude;
  bool negative, overflow;
};

static struct integer parse_integer(const char* text, char** end, int base) {
  struct integer result = {0, false, false};
  const char* p = text;
  while (isspace((unsigned char)*p)) p++;
  if (*p == '+' || *p == '-') result.negative = *p++ == '-';
  if ((base == 0 || base == 16) && p[0] == '0' && tolower(p[1]) == 'x' && digit_value(p[2]) < 16) {
    p += 2;
    base = 16;
  }
  if (base == 0) base = *p == '0' ? 8 : 10;
  const char* digits = p;
  for (; digit_value(*p) < base; p++) {
    result.overflow |= __builtin_mul_overflow(result.magnitude, (unsigned)base, &result.magnitude);
    result.overflow |= __builtin_add_overflow(result.magnitude, (unsigned)digit_value(*p), &result.magnitude);
  }
  if (end != NULL) *end = (char*)(p == digits ? text : p);
  return result;
}

unsigned long long strtoull(const char* restrict text, char** restrict end, int base) {
  struct integer n = parse_integer(text, end, base);
  if (n.overflow) return ULLONG_MAX;
  return n.negative ? -n.magnitude : n.magnitude;
}

long long strtoll(const char* restrict text, char** restrict end, int base) {
  struct integer n = parse_integer(text, end, base);
  unsigned long long limit = (unsigned long long)LLONG_MAX + n.negative;
  if (n.overflow || n.magnitude > limit) n.magnitude = limit;
  return (long long)(n.negative ? -n.magnitude : n.magnitude);
}

unsigned long strtoul(const char* restrict text, char** restrict end, int base) {
  return strtoull(text, end, base);
}
long strtol(const char* restrict text, char** restrict end, int base) { return strtoll(text, end, base); }
int atoi(const char* text) { return (int)strtol(text, NULL, 10); }
long atol(const char* text) { return strtol(text, NULL, 10); }
long long atoll(const char* text) { return strtoll(text, NULL, 10); }

int abs(int n) { return n < 0 ? -n : n; }
long labs(long n) { return n < 0 ? -n : n; }
long long llabs(long long n) { return n < 0 ? -n : n; }

static uint64_t random_state = 1;

void srand(unsigned seed) { random_state = seed; }

int rand(void) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)(random_state >> 33);
}

// -- arrays --

static void swap(char* a, char* b, size_t size) {
  for (; size > 0; size--, a++, b++) {
    char kept = *a;
    *a = *b;
    *b = kept;
  }
}

// Heap sort: in place, and never slow.
void qsort(void* array, size_t count, size_t size, int (*compare)(const void*, const void*)) {
  char* base = array;
  for (size_t start = count / 2, end = count; end > 1;) {
    if (start > 0) {
      start--;
    } else {
      end--;
      swap(base, base + end * size, size);
    }
    for (size_t parent = start, child; (child = 2 * parent + 1) < end; parent = child) {
      if (child + 1 < end && compare(base + child * size, base + (child + 1) * size) < 0) child++;
      if (compare(base + parent * size, base + child * size) >= 0) break;
      swap(base + parent * size, base + child * size, size);
    }
  }
}

void* bsearch(const void* key, const void* array, size_t count, size_t size,
              int (*compare)(const void*, const void*)) {
  const char* base = array;
  while (count > 0) {
    const char* middle = base + count / 2 * size;
    int order = compare(key, middle);
    if (order == 0) return (void*)middle;
    if (order > 0) {
      base = middle + size;
      count -= count / 2 + 1;
    } else {
      count /= 2;
    }
  }
  return NULL;
}
