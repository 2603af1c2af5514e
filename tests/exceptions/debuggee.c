// What the debugger watches: a breakpoint, an exception of its own making, a second thread, a crash.

#include <threads.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/exception.h>

static int nothing(void* argument) { return argument != NULL; }

int main(void) {
  __asm__ volatile("int3; nop; nop; nop; nop; nop; nop");
  zx_exception_context_t context = {.synth_code = ZX_EXCP_USER_CODE_USER0};
  if (zx_thread_raise_exception(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_USER, &context) != ZX_OK) return 1;
  thrd_t thread;
  if (thrd_create(&thread, nothing, NULL) != thrd_success || thrd_join(thread, NULL) != thrd_success) return 2;
  __asm__ volatile("movl $1, 8");
  return 3;
}
