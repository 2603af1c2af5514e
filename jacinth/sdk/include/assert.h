// No include guard: what assert() does follows NDEBUG at each inclusion.
#include <zircon/compiler.h>

__BEGIN_CDECLS
void __jx_assert_fail(const char* text, const char* file, int line, const char* function) __NO_RETURN;
__END_CDECLS

#undef assert
#ifdef NDEBUG
#define assert(x) ((void)0)
#else
#define assert(x) ((x) ? (void)0 : __jx_assert_fail(#x, __FILE__, __LINE__, __func__))
#endif

#if !defined(__cplusplus) && !defined(static_assert)
#define static_assert _Static_assert
#endif
