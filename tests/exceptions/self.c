// A program that handles the exceptions of its own threads: one of its threads listens to the process.

#include <stdint.h>
#include <stdio.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

static uint64_t cell;
static int faults;

static void fix(zx_handle_t thread, zx_excp_type_t type) {
  zx_exception_report_t report;
  zx_object_get_info(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, &report, sizeof(report), NULL, NULL);
  zx_thread_state_general_regs_t regs;
  zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs));
  printf("type %#x vector %d cr2 %#lx\n", type, (int)report.context.arch.u.x86_64.vector,
         (unsigned long)report.context.arch.u.x86_64.cr2);
  if (type == ZX_EXCP_FATAL_PAGE_FAULT) regs.rax = (uint64_t)&cell;  // the pointer that was bad
  if (type == ZX_EXCP_UNDEFINED_INSTRUCTION) regs.rip += 2;
  if (type == ZX_EXCP_GENERAL) regs.rcx = 1;  // what was divided by
  zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs));
}

static int handler(void* argument) {
  zx_handle_t channel = *(zx_handle_t*)argument;
  for (;;) {
    zx_signals_t seen;
    zx_object_wait_one(channel, ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, ZX_TIME_INFINITE, &seen);
    if (!(seen & ZX_CHANNEL_READABLE)) return 0;
    zx_exception_info_t info;
    zx_handle_t exception, thread;
    if (zx_channel_read(channel, 0, &info, &exception, sizeof(info), 1, NULL, NULL) != ZX_OK) return 1;
    if (zx_exception_get_thread(exception, &thread) != ZX_OK) return 2;
    fix(thread, info.type);
    zx_handle_close(thread);
    faults++;
    uint32_t state = ZX_EXCEPTION_STATE_HANDLED;
    zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, &state, sizeof(state));
    zx_handle_close(exception);
  }
}

int main(void) {
  zx_handle_t channel;
  zx_status_t status = zx_task_create_exception_channel(zx_process_self(), 0, &channel);
  if (status != ZX_OK) return 1;
  thrd_t thread;
  if (thrd_create(&thread, handler, &channel) != thrd_success) return 2;

  __asm__ volatile("movq $77, (%%rax)" : : "a"(8) : "memory");
  __asm__ volatile("ud2");
  __asm__ volatile("int3");
  uint64_t quotient = 42;
  __asm__ volatile("div %%rcx" : "+a"(quotient) : "c"(0UL), "d"(0UL));
  printf("cell %d, quotient %d, %d exceptions\n", (int)cell, (int)quotient, faults);
  return 0;
}
