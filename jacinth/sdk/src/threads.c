// <threads.h>: threads on stacks of their own, and what they wait for each other with, over futexes.

#include <jacinth.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zircon/process.h>

#include "internal.h"

enum { PAGE = 4096 };
#define DEFAULT_STACK_SIZE ((size_t)64 * 1024)

// -- futex locks --

// 0 is free, 1 locked, 2 locked and perhaps waited for.
static zx_status_t lock_until(zx_futex_t* futex, zx_instant_mono_t deadline) {
  int32_t seen = 0;
  if (atomic_compare_exchange_strong(futex, &seen, 1)) return ZX_OK;
  while (atomic_exchange(futex, 2) != 0) {
    zx_status_t status = zx_futex_wait(futex, 2, ZX_HANDLE_INVALID, deadline);
    if (status == ZX_ERR_TIMED_OUT) return status;
  }
  return ZX_OK;
}

static void unlock(zx_futex_t* futex) {
  if (atomic_exchange(futex, 0) == 2) zx_futex_wake(futex, 1);
}

int mtx_init(mtx_t* mutex, int type) {
  *mutex = (mtx_t){0, type, NULL, 0};
  return thrd_success;
}

void mtx_destroy(mtx_t* mutex) { (void)mutex; }

static bool locked_again(mtx_t* mutex) {
  if (!(mutex->type & mtx_recursive)) return false;
  if (__atomic_load_n(&mutex->owner, __ATOMIC_RELAXED) != current_thread()) return false;
  mutex->depth++;
  return true;
}

static int lock_mutex(mtx_t* mutex, zx_instant_mono_t deadline) {
  if (locked_again(mutex)) return thrd_success;
  if (lock_until(&mutex->futex, deadline) != ZX_OK) return thrd_timedout;
  if (mutex->type & mtx_recursive) __atomic_store_n(&mutex->owner, current_thread(), __ATOMIC_RELAXED);
  return thrd_success;
}

int mtx_lock(mtx_t* mutex) { return lock_mutex(mutex, ZX_TIME_INFINITE); }
int mtx_trylock(mtx_t* mutex) {
  if (locked_again(mutex)) return thrd_success;
  int32_t seen = 0;
  if (!atomic_compare_exchange_strong(&mutex->futex, &seen, 1)) {
    return thrd_busy;
  }
  if (mutex->type & mtx_recursive) __atomic_store_n(&mutex->owner, current_thread(), __ATOMIC_RELAXED);
  return thrd_success;
}

int jx_mtx_lock_until(mtx_t* mutex, zx_instant_mono_t deadline) { return lock_mutex(mutex, deadline); }

int mtx_unlock(mtx_t* mutex) {
  if (mutex->depth > 0) {
    mutex->depth--;
    return thrd_success;
  }
  if (mutex->type & mtx_recursive) __atomic_store_n(&mutex->owner, NULL, __ATOMIC_RELAXED);
  unlock(&mutex->futex);
  return thrd_success;
}

int cnd_init(cnd_t* condition) {
  *condition = (cnd_t){0};
  return thrd_success;
}

void cnd_destroy(cnd_t* condition) { (void)condition; }

int jx_cnd_wait_until(cnd_t* condition, mtx_t* mutex, zx_instant_mono_t deadline) {
  int32_t seen = atomic_load(&condition->sequence);
  mtx_unlock(mutex);
  zx_status_t status = zx_futex_wait(&condition->sequence, seen, ZX_HANDLE_INVALID, deadline);
  mtx_lock(mutex);
  return status == ZX_ERR_TIMED_OUT ? thrd_timedout : thrd_success;
}

int cnd_wait(cnd_t* condition, mtx_t* mutex) { return jx_cnd_wait_until(condition, mutex, ZX_TIME_INFINITE); }

static int notify(cnd_t* condition, uint32_t count) {
  atomic_fetch_add(&condition->sequence, 1);
  zx_futex_wake(&condition->sequence, count);
  return thrd_success;
}

int cnd_signal(cnd_t* condition) { return notify(condition, 1); }
int cnd_broadcast(cnd_t* condition) { return notify(condition, UINT32_MAX); }

// 0: not yet; 1: one is at it; 2: one is at it and others may wait; 3: done.
void call_once(once_flag* flag, void (*function)(void)) {
  int32_t seen = 0;
  if (atomic_compare_exchange_strong(&flag->futex, &seen, 1)) {
    function();
    if (atomic_exchange(&flag->futex, 3) == 2) zx_futex_wake(&flag->futex, UINT32_MAX);
    return;
  }
  while (seen != 3) {
    if (seen == 2 || atomic_compare_exchange_strong(&flag->futex, &seen, 2)) {
      zx_futex_wait(&flag->futex, 2, ZX_HANDLE_INVALID, ZX_TIME_INFINITE);
    }
    seen = atomic_load(&flag->futex);
  }
}

// -- threads --

struct thread_exit {
  struct thread_exit* next;
  void (*call)(void*);
  void* argument;
};

// C++ has the destructors of a thread's thread_local objects called so.
int __cxa_thread_atexit(void (*call)(void*), void* argument, void* dso) {
  (void)dso;
  struct thread* self = current_thread();
  struct thread_exit* fresh = malloc(sizeof(*fresh));
  if (fresh == NULL) abort();
  *fresh = (struct thread_exit){self->exits, call, argument};
  self->exits = fresh;
  return 0;
}

HIDDEN void __jx_run_thread_exits(void) {
  struct thread* self = current_thread();
  while (self->exits != NULL) {
    struct thread_exit* newest = self->exits;
    self->exits = newest->next;
    newest->call(newest->argument);
    free(newest);
  }
}

static _Noreturn void leave(struct thread* self) {
  __jx_run_thread_exits();
  int32_t seen = THREAD_JOINABLE;
  if (atomic_compare_exchange_strong(&self->state, &seen, THREAD_EXITED) || self->region == 0) {
    zx_thread_exit();
  }
  // Nobody will join it: the stack goes with the thread, in one call that needs none.
  zx_vmar_unmap_handle_close_thread_exit(__jx_vmar_root, self->region, self->region_size, self->handle);
  zx_thread_exit();  // that call returns where it can do none of it
}

HIDDEN _Noreturn void __jx_thread_main(struct thread* self) {
  __jx_set_thread_pointer(self);
  self->result = self->entry(self->argument);
  leave(self);
}

void thrd_exit(int result) {
  struct thread* self = current_thread();
  self->result = result;
  leave(self);
}

// A guard page, the stack, and room for thread-local variables and the control block.
static zx_status_t make_region(size_t stack_size, uintptr_t* region, size_t* region_size) {
  size_t mapped = (stack_size + __jx_tls_size() + PAGE - 1) & -(size_t)PAGE;
  zx_handle_t vmo, vmar;
  zx_vaddr_t base, address;
  zx_status_t status = zx_vmo_create(mapped, 0, &vmo);
  if (status != ZX_OK) return status;
  status = zx_vmar_allocate(__jx_vmar_root, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC,
                            0, mapped + PAGE, &vmar, &base);
  if (status == ZX_OK) {
    status = zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC, PAGE, vmo, 0, mapped,
                         &address);
    if (status != ZX_OK) zx_vmar_destroy(vmar);
    zx_handle_close(vmar);
  }
  zx_handle_close(vmo);
  *region = base;
  *region_size = mapped + PAGE;
  return status;
}

static void release(struct thread* thread) {
  zx_handle_t handle = thread->handle;
  zx_vmar_unmap(__jx_vmar_root, thread->region, thread->region_size);
  zx_handle_close(handle);
}

zx_status_t jx_thread_start(thrd_t* out, const char* name, size_t stack_size, thrd_start_t entry,
                            void* argument) {
  zx_handle_t handle;
  uintptr_t region;
  size_t size;
  zx_status_t status = zx_thread_create(zx_process_self(), name, strlen(name), 0, &handle);
  if (status != ZX_OK) return status;
  status = make_region(stack_size != 0 ? stack_size : DEFAULT_STACK_SIZE, &region, &size);
  if (status != ZX_OK) {
    zx_handle_close(handle);
    return status;
  }
  char* room = (char*)region + size - __jx_tls_size();
  struct thread* thread = __jx_tls_install(room, handle);
  thread->entry = entry;
  thread->argument = argument;
  thread->region = region;
  thread->region_size = size;
  *out = thread;
  uintptr_t stack = (uintptr_t)room & -(uintptr_t)16;
  status = zx_thread_start(handle, (zx_vaddr_t)__jx_thread_start, stack, (uintptr_t)thread, 0);
  if (status != ZX_OK) release(thread);
  return status;
}

int thrd_create(thrd_t* out, thrd_start_t entry, void* argument) {
  switch (jx_thread_start(out, "thrd_t", 0, entry, argument)) {
    case ZX_OK: return thrd_success;
    case ZX_ERR_NO_MEMORY: return thrd_nomem;
    default: return thrd_error;
  }
}

int thrd_join(thrd_t thread, int* result) {
  // The thread's memory must not go before its last instruction, so the kernel's word counts, not the
  // thread's.
  if (zx_object_wait_one(thread->handle, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL) != ZX_OK)
    return thrd_error;
  if (result != NULL) *result = thread->result;
  release(thread);
  return thrd_success;
}

int thrd_detach(thrd_t thread) {
  int32_t seen = THREAD_JOINABLE;
  if (atomic_compare_exchange_strong(&thread->state, &seen, THREAD_DETACHED)) {
    return thrd_success;
  }
  return thrd_join(thread, NULL);
}

thrd_t thrd_current(void) { return current_thread(); }
int thrd_equal(thrd_t a, thrd_t b) { return a == b; }
void thrd_yield(void) { zx_thread_legacy_yield(0); }
zx_handle_t thrd_get_zx_handle(thrd_t thread) { return thread->handle; }
