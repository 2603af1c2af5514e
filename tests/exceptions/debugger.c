// A debugger: it is given a job, and tells what happens below it until the job is dead.

#include <stdint.h>
#include <stdio.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

static const char* name(zx_excp_type_t type) {
  switch (type) {
    case ZX_EXCP_PROCESS_STARTING: return "process starting";
    case ZX_EXCP_THREAD_STARTING: return "thread starting";
    case ZX_EXCP_THREAD_EXITING: return "thread exiting";
    case ZX_EXCP_SW_BREAKPOINT: return "breakpoint";
    case ZX_EXCP_HW_BREAKPOINT: return "step";
    case ZX_EXCP_USER: return "user";
    case ZX_EXCP_FATAL_PAGE_FAULT: return "page fault";
    default: return "something else";
  }
}

int main(void) {
  zx_handle_t job = zx_take_startup_handle(PA_HND(PA_USER0, 0));
  zx_handle_t channels[2] = {ZX_HANDLE_INVALID, ZX_HANDLE_INVALID};  // of the job, of the process
  if (zx_task_create_exception_channel(job, ZX_EXCEPTION_CHANNEL_DEBUGGER, &channels[0]) != ZX_OK) return 1;
  zx_handle_t go = zx_take_startup_handle(PA_HND(PA_USER1, 0));
  zx_object_signal(go, 0, ZX_EVENT_SIGNALED);
  int steps = 0, count = 1;
  for (;;) {
    zx_wait_item_t items[2] = {{channels[0], ZX_CHANNEL_READABLE, 0}, {channels[1], ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, 0}};
    if (zx_object_wait_many(items, count, ZX_TIME_INFINITE) != ZX_OK) return 2;
    zx_handle_t channel = items[0].pending & ZX_CHANNEL_READABLE ? channels[0] : channels[1];
    zx_exception_info_t info;
    zx_handle_t exception, thread, process;
    zx_status_t status = zx_channel_read(channel, 0, &info, &exception, sizeof(info), 1, NULL, NULL);
    if (status == ZX_ERR_PEER_CLOSED) break;
    if (status != ZX_OK) return 3;
    if (zx_exception_get_thread(exception, &thread) != ZX_OK) return 4;
    if (zx_exception_get_process(exception, &process) != ZX_OK) return 5;
    uint32_t step = 0, state = ZX_EXCEPTION_STATE_HANDLED;
    if (info.type == ZX_EXCP_HW_BREAKPOINT) {
      step = ++steps < 5;
    } else {
      printf("%s\n", name(info.type));
    }
    if (info.type == ZX_EXCP_PROCESS_STARTING) {
      if (zx_task_create_exception_channel(process, ZX_EXCEPTION_CHANNEL_DEBUGGER, &channels[1]) != ZX_OK) return 6;
      count = 2;
    }
    if (info.type == ZX_EXCP_SW_BREAKPOINT) step = 1;
    if (info.type == ZX_EXCP_FATAL_PAGE_FAULT) state = ZX_EXCEPTION_STATE_THREAD_EXIT;
    if (info.type == ZX_EXCP_SW_BREAKPOINT || info.type == ZX_EXCP_HW_BREAKPOINT)
      zx_thread_write_state(thread, ZX_THREAD_STATE_SINGLE_STEP, &step, sizeof(step));
    zx_handle_close(thread);
    zx_handle_close(process);
    zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, &state, sizeof(state));
    zx_handle_close(exception);
  }
  printf("%d steps\n", steps);
  return 0;
}
