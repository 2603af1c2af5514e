// THREADS: so many threads that compute, each as much; prints the nanoseconds until all are done.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <zircon/syscalls.h>

#include "compute.h"

#define MOST 8
#define ROUNDS 50000000ul

static volatile uint64_t results[MOST];

static int work(void* number) {
  results[(uintptr_t)number] = integer_loop(ROUNDS);
  return 0;
}

int main(int argc, char** argv) {
  uintptr_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
  thrd_t threads[MOST];
  if (count > MOST) return 2;
  zx_time_t start = zx_clock_get_monotonic();
  for (uintptr_t i = 0; i < count; i++) thrd_create(&threads[i], work, (void*)i);
  for (uintptr_t i = 0; i < count; i++) thrd_join(threads[i], NULL);
  printf("%" PRId64 "\n", zx_clock_get_monotonic() - start);
  return 0;
}
