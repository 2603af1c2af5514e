// Threads that compete for locks, futexes, channels, timers, ports and random bytes, in an order that the seed decides.

#include <stdatomic.h>
#include <stdint.h>
#include <threads.h>
#include <zircon/process.h>

#include "../../examples/c/check.h"

#define WORKERS 3
#define ROUNDS 12

static mtx_t mutex;
static uint64_t digest;
static zx_handle_t port, timer, in, out;
static atomic_int finished;

static void mix(uint64_t value) {
  mtx_lock(&mutex);
  digest = (digest ^ value) * 1099511628211ul;
  mtx_unlock(&mutex);
}

static int worker(void* argument) {
  uint64_t self = (uint64_t)(uintptr_t)argument;
  for (uint64_t round = 0; round < ROUNDS; round++) {
    uint32_t random;
    zx_cprng_draw(&random, sizeof(random));
    mix(random);
    // Longer than a turn, now and then: interrupted at a place that the emulated CPU decides.
    volatile uint64_t sum = 0;
    for (uint32_t i = 0; i < (random & 0x7fff); i++) sum += i;
    CHECK(zx_channel_write(in, 0, &random, sizeof(random), NULL, 0));
    if (random & 1) CHECK(zx_timer_set(timer, zx_deadline_after(ZX_USEC(random & 255)), 0));
    if (random & 2) zx_nanosleep(zx_deadline_after(ZX_USEC(random >> 24)));
    if (random & 4) thrd_yield();
    mix(self * round + (uint64_t)zx_clock_get_monotonic());
  }
  atomic_fetch_add(&finished, 1);
  return 0;
}

int main(void) {
  CHECK(zx_port_create(0, &port));
  CHECK(zx_timer_create(0, ZX_CLOCK_MONOTONIC, &timer));
  CHECK(zx_channel_create(0, &in, &out));
  thrd_t threads[WORKERS];
  for (uintptr_t i = 0; i < WORKERS; i++) thrd_create(&threads[i], worker, (void*)(i + 1));
  int messages = 0;
  while (messages < WORKERS * ROUNDS) {
    CHECK(zx_object_wait_async(out, port, 1, ZX_CHANNEL_READABLE, 0));
    CHECK(zx_object_wait_async(timer, port, 2, ZX_TIMER_SIGNALED, ZX_WAIT_ASYNC_EDGE));
    zx_port_packet_t packet;
    CHECK(zx_port_wait(port, ZX_TIME_INFINITE, &packet));
    mix(packet.key);
    uint32_t value;
    while (zx_channel_read(out, 0, &value, NULL, sizeof(value), 0, NULL, NULL) == ZX_OK) {
      messages++;
      mix(value);
    }
    zx_port_cancel(port, timer, 2);
    zx_port_cancel(port, out, 1);
  }
  for (int i = 0; i < WORKERS; i++) thrd_join(threads[i], NULL);
  printf("%016lx at %ld\n", digest, zx_clock_get_monotonic());
  return 0;
}
