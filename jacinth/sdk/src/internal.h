// What the files of the start library know of each other.
#ifndef JACINTH_INTERNAL_H_
#define JACINTH_INTERNAL_H_

#include <stddef.h>
#include <stdint.h>
#include <threads.h>
#include <zircon/syscalls.h>
#include <zircon/types.h>

#define HIDDEN __attribute__((visibility("hidden")))

// What fs:0 points at. The words up to the canary have the places that compilers count on.
struct thread {
  struct thread* self;  // fs:0: how the address of a thread-local variable is found
  uintptr_t reserved[4];
  uintptr_t canary;  // fs:0x28: what -fstack-protector reads
  zx_handle_t handle;
  zx_futex_t state;  // one of the three below
  int result;
  thrd_start_t entry;
  void* argument;
  struct thread_exit* exits;  // what is called when the thread ends, the newest first
  uintptr_t region;  // guard page, stack, thread-local variables and this; 0 for the first thread
  size_t region_size;
};

enum { THREAD_JOINABLE, THREAD_EXITED, THREAD_DETACHED };

static inline struct thread* current_thread(void) {
  struct thread* thread;
  __asm__("mov %%fs:0, %0" : "=r"(thread));
  return thread;
}

HIDDEN extern zx_handle_t __jx_process_self;
HIDDEN extern zx_handle_t __jx_vmar_root;
HIDDEN extern zx_handle_t __jx_job_default;

// Fills the table of the vDSO's routines.
HIDDEN void __jx_bind_vdso(uintptr_t base);

// The program's thread-local variables: bytes that they take below the thread pointer, and their first
// values.
HIDDEN void __jx_find_tls(uintptr_t image_headers, uintptr_t bias);
HIDDEN size_t __jx_tls_size(void);
HIDDEN struct thread* __jx_tls_install(char* room, zx_handle_t handle);
HIDDEN void __jx_set_thread_pointer(struct thread* thread);
HIDDEN extern char __jx_thread_start[];
HIDDEN void __jx_run_thread_exits(void);

// The last line of a program that cannot go on.
HIDDEN _Noreturn void __jx_fatal(const char* format, ...) __attribute__((format(printf, 1, 2)));

HIDDEN void __jx_stdio_start(void);
HIDDEN void __jx_stdio_flush(void);
HIDDEN zx_handle_t __jx_stdio_handle(int fd);

#endif  // JACINTH_INTERNAL_H_
