// What a C++ compiler calls by itself in programs without exceptions. The names are those of the Itanium C++
// ABI.

#include <stdatomic.h>
#include <stdlib.h>

#include "internal.h"

HIDDEN void* __dso_handle = NULL;

void __cxa_pure_virtual(void) { abort(); }

static void* allocate(size_t size) {
  void* memory = malloc(size);
  if (memory == NULL) abort();
  return memory;
}

void* _Znwm(size_t size) { return allocate(size); }  // operator new
void* _Znam(size_t size) { return allocate(size); }  // operator new[]
void* _ZnwmRKSt9nothrow_t(size_t size, const void* tag) { return (void)tag, malloc(size); }
void* _ZnamRKSt9nothrow_t(size_t size, const void* tag) { return (void)tag, malloc(size); }
void _ZdlPv(void* memory) { free(memory); }  // operator delete
void _ZdaPv(void* memory) { free(memory); }  // operator delete[]
void _ZdlPvm(void* memory, size_t size) { (void)size, free(memory); }
void _ZdaPvm(void* memory, size_t size) { (void)size, free(memory); }

// The first byte of a guard says that the variable is there, which compilers read; the second half is a lock.
int __cxa_guard_acquire(uint64_t* guard) {
  zx_futex_t* futex = (zx_futex_t*)guard + 1;
  for (;;) {
    if (__atomic_load_n((char*)guard, __ATOMIC_ACQUIRE) != 0) return 0;
    int32_t seen = 0;
    if (atomic_compare_exchange_strong(futex, &seen, 1)) return 1;
    zx_futex_wait(futex, 1, ZX_HANDLE_INVALID, ZX_TIME_INFINITE);
  }
}

void __cxa_guard_release(uint64_t* guard) {
  zx_futex_t* futex = (zx_futex_t*)guard + 1;
  __atomic_store_n((char*)guard, 1, __ATOMIC_RELEASE);
  atomic_store(futex, 2);
  zx_futex_wake(futex, UINT32_MAX);
}

void __cxa_guard_abort(uint64_t* guard) {
  zx_futex_t* futex = (zx_futex_t*)guard + 1;
  atomic_store(futex, 0);
  zx_futex_wake(futex, UINT32_MAX);
}
