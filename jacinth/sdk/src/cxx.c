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

// A guard's first byte says that the variable is there: compilers read it. Its second half is a futex.
enum { NOT_YET, CONSTRUCTING, AWAITED, DONE };

static zx_futex_t* futex_of(uint64_t* guard) { return (zx_futex_t*)guard + 1; }

static void leave(uint64_t* guard, int state) {
  if (atomic_exchange(futex_of(guard), state) == AWAITED) zx_futex_wake(futex_of(guard), UINT32_MAX);
}

// Answers whether the caller is to construct the variable.
int __cxa_guard_acquire(uint64_t* guard) {
  zx_futex_t* futex = futex_of(guard);
  for (;;) {
    int state = NOT_YET;
    if (atomic_compare_exchange_strong(futex, &state, CONSTRUCTING)) return 1;
    if (state == DONE) return 0;
    if (state == AWAITED || atomic_compare_exchange_strong(futex, &state, AWAITED)) {
      zx_futex_wait(futex, AWAITED, ZX_HANDLE_INVALID, ZX_TIME_INFINITE);
    }
  }
}

void __cxa_guard_release(uint64_t* guard) {
  __atomic_store_n((char*)guard, 1, __ATOMIC_RELEASE);
  leave(guard, DONE);
}

void __cxa_guard_abort(uint64_t* guard) { leave(guard, NOT_YET); }
