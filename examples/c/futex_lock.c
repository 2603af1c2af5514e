// A lock made of one futex, between four threads. 0: free; 1: taken; 2: taken, and somebody waits.

#include <stdatomic.h>
#include <threads.h>

#include "check.h"

#define THREADS 4
#define ROUNDS 250

static zx_futex_t lock;
static int counter;  // not atomic: the lock protects it

static void acquire(void) {
  int free = 0;
  if (atomic_compare_exchange_strong(&lock, &free, 1)) return;
  while (atomic_exchange(&lock, 2) != 0) {
    zx_status_t status = zx_futex_wait(&lock, 2, ZX_HANDLE_INVALID, ZX_TIME_INFINITE);
    if (status != ZX_OK && status != ZX_ERR_BAD_STATE) CHECK(status);
  }
}

static void release(void) {
  if (atomic_exchange(&lock, 0) == 2) CHECK(zx_futex_wake(&lock, 1));
}

static int work(void* unused) {
  (void)unused;
  for (int i = 0; i < ROUNDS; i++) {
    acquire();
    int seen = counter;
    if (i % 10 == 0) zx_thread_legacy_yield(0);  // let the others try
    counter = seen + 1;
    release();
  }
  return 0;
}

int main(void) {
  thrd_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    if (thrd_create(&threads[i], work, NULL) != thrd_success) return 1;
  }
  for (int i = 0; i < THREADS; i++) thrd_join(threads[i], NULL);
  printf("%d threads, %d rounds each: %d\n", THREADS, ROUNDS, counter);
  return 0;
}
