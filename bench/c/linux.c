// On Linux, for qemu-user and the CPU itself: KIND ROUNDS; prints the nanoseconds it took.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compute.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  volatile uint64_t result = compute(strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10));
  (void)result;
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%lld\n", (long long)(b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec);
  return 0;
}
