// Checks the C library from inside: prints each check that fails, and exits with their number.

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

static int failures;

#define CHECK(x) ((x) ? (void)0 : (void)(failures++, printf("failed at line %d: %s\n", __LINE__, #x)))

static int sign(int n) { return (n > 0) - (n < 0); }

static int by_value(const void* a, const void* b) {
  int left = *(const int*)a, right = *(const int*)b;
  return (left > right) - (left < right);
}

static void test_memory(void) {
  static unsigned char a[400], b[400], expected[400];
  for (size_t size = 0; size < 200; size += 1 + size / 9) {
    for (size_t to = 0; to < 20; to += 3) {
      for (size_t from = 0; from < 20; from += 7) {
        for (size_t i = 0; i < sizeof(a); i++) a[i] = b[i] = expected[i] = (unsigned char)(i * 7);
        for (size_t i = 0; i < size; i++) expected[to + i] = (unsigned char)((from + i) * 7);
        CHECK(memmove(a + to, a + from, size) == a + to);
        CHECK(memcmp(a, expected, sizeof(a)) == 0);
        CHECK(memcpy(b + to + 180, b + from, size < 160 ? size : 160) == b + to + 180);
        CHECK(memcmp(b + to + 180, expected + to, size < 160 ? size : 160) == 0);
      }
      memset(a, 1, sizeof(a));
      CHECK(memset(a + to, 0x1ee, size) == a + to);
      for (size_t i = 0; i < 250; i++) CHECK(a[i] == (i >= to && i < to + size ? 0xee : 1));
    }
  }
  CHECK(sign(memcmp("abcdefghij", "abcdefghik", 10)) == -1);
  CHECK(sign(memcmp("a\xff", "a\x01", 2)) == 1);
  CHECK(memcmp("abc", "abd", 2) == 0);
  CHECK(memchr("abc", 'c', 3) != NULL && memchr("abc", 'c', 2) == NULL);
}

static void test_strings(void) {
  char text[32] = "";
  CHECK(strlen("") == 0 && strlen("hello") == 5 && strnlen("hello", 3) == 3);
  CHECK(sign(strcmp("a", "b")) == -1 && sign(strcmp("ab", "a")) == 1 && strcmp("ab", "ab") == 0);
  CHECK(sign(strcmp("\xff", "a")) == 1);
  CHECK(strncmp("abc", "abd", 2) == 0 && sign(strncmp("abc", "abd", 3)) == -1 && strncmp("a", "a", 9) == 0);
  CHECK(strcasecmp("HeLLo", "hEllO") == 0);
  const char* path = "/a/b";
  CHECK(strchr(path, '/') == path && strrchr(path, '/') == path + 2 && strchr(path, 'z') == NULL);
  CHECK(strchr(path, '\0') == path + 4 && strrchr(path, '\0') == path + 4);
  CHECK(strstr(path, "a/b") == path + 1 && strstr(path, "ba") == NULL && strstr(path, "") == path);
  CHECK(strcpy(text, "one") == text && strcat(text, " two") == text && strcmp(text, "one two") == 0);
  CHECK(strcmp(strncat(text, "threefour", 5), "one twothree") == 0);
  memset(text, 'x', sizeof(text));
  CHECK(strncpy(text, "ab", 4) == text && memcmp(text, "ab\0\0x", 5) == 0);
  CHECK(strncpy(text, "abcdef", 3) == text && memcmp(text, "abc\0x", 5) == 0);
  CHECK(strlcpy(text, "abcdef", 4) == 6 && strcmp(text, "abc") == 0);
  CHECK(strspn("aab", "a") == 2 && strcspn("aab", "b") == 2 && strpbrk(path, "ba") == path + 1);
  char list[] = ",a,,b c,";
  CHECK(strcmp(strtok(list, ", "), "a") == 0 && strcmp(strtok(NULL, ", "), "b") == 0);
  CHECK(strcmp(strtok(NULL, ", "), "c") == 0 && strtok(NULL, ", ") == NULL);
  char* copy = strdup("copy");
  CHECK(strcmp(copy, "copy") == 0);
  free(copy);
  CHECK(isdigit('7') && !isdigit('a') && toupper('q') == 'Q' && isspace('\n') && isxdigit('F') &&
        ispunct('!'));
}

static void test_numbers(void) {
  char* end;
  CHECK(atoi("  -12x") == -12);
  CHECK(strtol("0x1fz", &end, 0) == 31 && *end == 'z');
  CHECK(strtol("0x", &end, 16) == 0 && *end == 'x');
  CHECK(strtol("9223372036854775808", NULL, 10) == LONG_MAX);
  CHECK(strtol("-9223372036854775809", NULL, 10) == LONG_MIN);
  CHECK(strtoul("-1", NULL, 10) == ULONG_MAX && strtoul("18446744073709551616", NULL, 10) == ULONG_MAX);
  int values[] = {5, -3, 9, 0, 5, INT_MIN, 7, INT_MAX, 1};
  qsort(values, 9, sizeof(int), by_value);
  for (int i = 1; i < 9; i++) CHECK(values[i - 1] <= values[i]);
  int wanted = 7, absent = 6;
  CHECK(bsearch(&wanted, values, 9, sizeof(int), by_value) != NULL);
  CHECK(bsearch(&absent, values, 9, sizeof(int), by_value) == NULL);
}

static void test_malloc(void) {
  enum { COUNT = 200 };
  unsigned char* blocks[COUNT] = {0};
  size_t sizes[COUNT] = {0};
  srand(7);
  for (int round = 0; round < 2000; round++) {
    int i = rand() % COUNT;
    for (size_t j = 0; j < sizes[i]; j += 13) CHECK(blocks[i][j] == (unsigned char)i);
    size_t size = (size_t)(rand() % (rand() % 20 == 0 ? 200000 : 500));
    if (rand() % 3 == 0) {
      blocks[i] = realloc(blocks[i], size);
      size_t kept = size < sizes[i] ? size : sizes[i];
      for (size_t j = 0; j < kept; j += 13) CHECK(blocks[i][j] == (unsigned char)i);
    } else {
      free(blocks[i]);
      blocks[i] = rand() % 2 ? malloc(size) : aligned_alloc(1 << rand() % 13, size);
    }
    CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
    memset(blocks[i], i, size);
    sizes[i] = size;
  }
  for (int i = 0; i < COUNT; i++) free(blocks[i]);
  unsigned char* zero = calloc(1000, 3);
  for (int i = 0; i < 3000; i++) CHECK(zero[i] == 0);
  free(zero);
  CHECK(malloc(SIZE_MAX) == NULL && calloc(SIZE_MAX / 2, 3) == NULL);
  char* page = aligned_alloc(4096, 10);
  CHECK((uintptr_t)page % 4096 == 0);
  free(page);
}

static _Thread_local int thread_zero;
static _Thread_local int thread_value = 42;
static _Thread_local _Alignas(64) char thread_aligned[3] = "ab";

static void test_thread_local(void) {
  CHECK(thread_zero == 0 && thread_value == 42 && strcmp(thread_aligned, "ab") == 0);
  CHECK((uintptr_t)thread_aligned % 64 == 0);
  thread_value++;
  CHECK(thread_value == 43);
}

static int constructed;
__attribute__((constructor)) static void construct(void) { constructed = 1; }
__attribute__((destructor)) static void destruct(void) { printf("destructor\n"); }
static void at_exit_first(void) { printf("atexit 1\n"); }
static void at_exit_second(void) { printf("atexit 2\n"); }

static void count_once(void) { constructed++; }

int main(int argc, char** argv, char** envp) {
  CHECK(argc == 3 && strcmp(argv[1], "one") == 0 && strcmp(argv[2], "") == 0 && argv[3] == NULL);
  CHECK(envp == environ && strcmp(getenv("A"), "b=c") == 0 && getenv("B") == NULL);
  CHECK(constructed == 1);
  static once_flag once = ONCE_FLAG_INIT;
  call_once(&once, count_once);
  call_once(&once, count_once);
  CHECK(constructed == 2);
  mtx_t mutex;
  mtx_init(&mutex, mtx_recursive);
  CHECK(mtx_lock(&mutex) == thrd_success && mtx_lock(&mutex) == thrd_success);
  CHECK(mtx_unlock(&mutex) == thrd_success && mtx_unlock(&mutex) == thrd_success && mutex.futex == 0);
  test_memory();
  test_strings();
  test_numbers();
  test_malloc();
  test_thread_local();
  atexit(at_exit_first);
  atexit(at_exit_second);
  printf("%d failures", failures);
  fprintf(stderr, "(standard error)");
  printf("\n");
  return failures;
}
