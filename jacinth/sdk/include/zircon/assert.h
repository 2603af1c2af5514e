// Checks that end the program. The D forms are there in debug builds only.
#ifndef ZIRCON_ASSERT_H_
#define ZIRCON_ASSERT_H_

#include <assert.h>
#include <zircon/compiler.h>

#define ZX_PANIC(...) __jx_panic(__FILE__, __LINE__, __VA_ARGS__)
#define ZX_ASSERT(x) ((x) ? (void)0 : __jx_assert_fail(#x, __FILE__, __LINE__, __func__))
#define ZX_ASSERT_MSG(x, ...) ((x) ? (void)0 : ZX_PANIC(__VA_ARGS__))

#ifdef NDEBUG
#define ZX_DEBUG_ASSERT_IMPLEMENTED 0
#define ZX_DEBUG_ASSERT(x) ((void)sizeof(x))
#define ZX_DEBUG_ASSERT_MSG(x, ...) ((void)sizeof(x))
#else
#define ZX_DEBUG_ASSERT_IMPLEMENTED 1
#define ZX_DEBUG_ASSERT(x) ZX_ASSERT(x)
#define ZX_DEBUG_ASSERT_MSG(x, ...) ZX_ASSERT_MSG(x, __VA_ARGS__)
#endif

__BEGIN_CDECLS

void __jx_panic(const char* file, int line, const char* format, ...) __NO_RETURN __PRINTFLIKE(3, 4);

__END_CDECLS

#endif  // ZIRCON_ASSERT_H_
