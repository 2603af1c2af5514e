// What it takes to be told of something: WHAT ROUNDS; prints the nanoseconds it took.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/exception.h>

static zx_handle_t exceptions;

// Steps over the breakpoints of the other thread, whose address the CPU has left behind them.
static void handle_exceptions(uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; i++) {
    zx_exception_info_t info;
    zx_handle_t exception;
    uint32_t handled = ZX_EXCEPTION_STATE_HANDLED;
    zx_object_wait_one(exceptions, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, NULL);
    zx_channel_read(exceptions, 0, &info, &exception, sizeof(info), 1, NULL, NULL);
    zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, &handled, sizeof(handled));
    zx_handle_close(exception);
  }
}

static char stack[16384] __attribute__((aligned(16)));

static void breakpoints(uintptr_t rounds, uintptr_t unused) {
  (void)unused;
  for (uint64_t i = 0; i < rounds; i++) __asm__ volatile("int3");
  zx_thread_exit();
}

static void exception_round_trips(uint64_t rounds) {
  zx_handle_t thread;
  zx_thread_create(zx_process_self(), "raiser", 6, 0, &thread);
  zx_task_create_exception_channel(thread, 0, &exceptions);
  // As after a call: the stack pointer is 8 below a multiple of 16.
  zx_thread_start(thread, (zx_vaddr_t)breakpoints, (zx_vaddr_t)stack + sizeof(stack) - 8, rounds, 0);
  handle_exceptions(rounds);
}

static void receive(zx_handle_t channel, uint64_t* number) {
  zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, NULL);
  zx_channel_read(channel, 0, number, NULL, sizeof(*number), 0, NULL, NULL);
}

static void ping(zx_handle_t channel, uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t answer = 0;
    zx_channel_write(channel, 0, &i, sizeof(i), NULL, 0);
    receive(channel, &answer);
    if (answer != i + 1) exit(1);
  }
}

static void pong(zx_handle_t channel, uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t number = 0;
    receive(channel, &number);
    number++;
    zx_channel_write(channel, 0, &number, sizeof(number), NULL, 0);
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const char* what = argv[1];
  uint64_t rounds = strtoul(argv[2], NULL, 10);
  zx_handle_t channel = zx_take_startup_handle(PA_HND(PA_USER0, 0));
  if (strcmp(what, "pong") == 0) {
    pong(channel, rounds);
    return 0;
  }
  zx_time_t start = zx_clock_get_monotonic();
  if (strcmp(what, "exception") == 0) exception_round_trips(rounds);
  if (strcmp(what, "ping") == 0) ping(channel, rounds);
  printf("%" PRId64 "\n", zx_clock_get_monotonic() - start);
  return 0;
}
