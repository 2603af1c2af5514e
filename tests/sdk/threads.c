// Several threads: locks, condition variables, results, detached threads and thread-local variables.

#include <jacinth.h>
#include <stdio.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
#include <zircon/threads.h>

enum { THREADS = 4, ROUNDS = 1000 };

static mtx_t lock;
static cnd_t changed;
static int sum, ready;
static thread_local int mine = 3;

static int add(void* argument) {
  for (int i = 0; i < ROUNDS; i++) {
    mtx_lock(&lock);
    sum++;
    mtx_unlock(&lock);
    if (i % 100 == 0) thrd_yield();
  }
  mine += (int)(long)argument;
  mtx_lock(&lock);
  ready++;
  cnd_signal(&changed);
  mtx_unlock(&lock);
  if (argument == NULL) thrd_exit(mine);
  return mine;
}

static int stand_alone(void* argument) {
  char deep[500 * 1024];
  for (size_t i = 0; i < sizeof(deep); i += 4096) ((volatile char*)deep)[i] = 1;
  mtx_lock(&lock);
  ready++;
  *(zx_handle_t*)argument = zx_thread_self();
  cnd_broadcast(&changed);
  mtx_unlock(&lock);
  return 0;
}

static void wait_for(int count) {
  mtx_lock(&lock);
  while (ready < count) cnd_wait(&changed, &lock);
  mtx_unlock(&lock);
}

int main(void) {
  thrd_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) {
    if (thrd_create(&threads[i], add, (void*)i) != thrd_success) return 1;
  }
  wait_for(THREADS);
  for (int i = 0; i < THREADS; i++) {
    int result;
    if (thrd_join(threads[i], &result) != thrd_success || result != 3 + i) return 2;
  }
  if (mine != 3 || sum != THREADS * ROUNDS) return 3;

  thrd_t alone;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  if (jx_thread_start(&alone, "alone", 1 << 20, stand_alone, &handle) != ZX_OK) return 4;
  thrd_detach(alone);
  wait_for(THREADS + 1);
  // Its stack and its handle go with it, which ends the wait.
  zx_object_wait_one(handle, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL);
  if (zx_object_get_info(handle, ZX_INFO_HANDLE_VALID, NULL, 0, NULL, NULL) != ZX_ERR_BAD_HANDLE) return 5;

  mtx_lock(&lock);
  zx_instant_mono_t before = zx_clock_get_monotonic();
  int late = jx_cnd_wait_until(&changed, &lock, zx_deadline_after(ZX_MSEC(5)));
  if (late != thrd_timedout || zx_clock_get_monotonic() - before < ZX_MSEC(5)) return 6;
  mtx_unlock(&lock);
  printf("done\n");
  return 0;
}
