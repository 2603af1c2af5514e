// What a C++ compiler calls by itself in programs without exceptions, and what libstdc++'s headers leave to its
// library. The names are those of the Itanium C++ ABI.

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

HIDDEN void* __dso_handle = NULL;

void __cxa_pure_virtual(void) { __jx_fatal("pure virtual function called"); }
void __cxa_deleted_virtual(void) { __jx_fatal("deleted virtual function called"); }
_Noreturn void _ZSt9terminatev(void) { __jx_fatal("std::terminate"); }

// -- new and delete --

const char _ZSt7nothrow;  // std::nothrow

// std::__throw_bad_alloc, and for more elements than can be counted.
_Noreturn void _ZSt17__throw_bad_allocv(void) { __jx_fatal("std::bad_alloc"); }
_Noreturn void _ZSt28__throw_bad_array_new_lengthv(void) { __jx_fatal("std::bad_array_new_length"); }
_Noreturn void __cxa_throw_bad_array_new_length(void) { __jx_fatal("std::bad_array_new_length"); }

static void* checked(void* memory) {
  if (memory == NULL) _ZSt17__throw_bad_allocv();
  return memory;
}

// Programs may have their own: operator new, new[]; with std::nothrow; with std::align_val_t; with both.
__WEAK void* _Znwm(size_t size) { return checked(malloc(size)); }
__WEAK void* _Znam(size_t size) { return checked(malloc(size)); }
__WEAK void* _ZnwmRKSt9nothrow_t(size_t size, const void* tag) { return (void)tag, malloc(size); }
__WEAK void* _ZnamRKSt9nothrow_t(size_t size, const void* tag) { return (void)tag, malloc(size); }
__WEAK void* _ZnwmSt11align_val_t(size_t size, size_t align) { return checked(aligned_alloc(align, size)); }
__WEAK void* _ZnamSt11align_val_t(size_t size, size_t align) { return checked(aligned_alloc(align, size)); }
__WEAK void* _ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, const void* tag) {
  return (void)tag, aligned_alloc(align, size);
}
__WEAK void* _ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, const void* tag) {
  return (void)tag, aligned_alloc(align, size);
}

// operator delete, delete[]; with the size; with std::nothrow; with std::align_val_t.
__WEAK void _ZdlPv(void* memory) { free(memory); }
__WEAK void _ZdaPv(void* memory) { free(memory); }
__WEAK void _ZdlPvm(void* memory, size_t size) { (void)size, free(memory); }
__WEAK void _ZdaPvm(void* memory, size_t size) { (void)size, free(memory); }
__WEAK void _ZdlPvRKSt9nothrow_t(void* memory, const void* tag) { (void)tag, free(memory); }
__WEAK void _ZdaPvRKSt9nothrow_t(void* memory, const void* tag) { (void)tag, free(memory); }
__WEAK void _ZdlPvSt11align_val_t(void* memory, size_t align) { (void)align, free(memory); }
__WEAK void _ZdaPvSt11align_val_t(void* memory, size_t align) { (void)align, free(memory); }
__WEAK void _ZdlPvmSt11align_val_t(void* memory, size_t size, size_t align) { (void)size, (void)align, free(memory); }
__WEAK void _ZdaPvmSt11align_val_t(void* memory, size_t size, size_t align) { (void)size, (void)align, free(memory); }

// -- what libstdc++ throws out of line, std::__throw_..., and its assertions --

_Noreturn void _ZSt25__throw_bad_function_callv(void) { __jx_fatal("std::bad_function_call"); }
_Noreturn void _ZSt19__throw_logic_errorPKc(const char* what) { __jx_fatal("std::logic_error: %s", what); }
_Noreturn void _ZSt20__throw_length_errorPKc(const char* what) { __jx_fatal("std::length_error: %s", what); }
_Noreturn void _ZSt20__throw_out_of_rangePKc(const char* what) { __jx_fatal("std::out_of_range: %s", what); }
_Noreturn void _ZSt24__throw_invalid_argumentPKc(const char* what) {
  __jx_fatal("std::invalid_argument: %s", what);
}
_Noreturn void _ZSt24__throw_out_of_range_fmtPKcz(const char* format, ...) {
  char what[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof(what), format, arguments);
  va_end(arguments);
  _ZSt20__throw_out_of_rangePKc(what);
}
_Noreturn void _ZSt21__glibcxx_assert_failPKciS0_S0_(const char* file, int line, const char* function,
                                                      const char* condition) {
  __jx_assert_fail(condition, file, line, function);
}

// std::_Sp_make_shared_tag::_S_eq: whether a std::type_info is that of the tag; without run-time types there is none.
bool _ZNSt19_Sp_make_shared_tag5_S_eqERKSt9type_info(const void* type) { return (void)type, false; }

// -- static variables of functions --

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
