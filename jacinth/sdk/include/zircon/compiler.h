// Attributes by the names that Zircon's headers use.
#ifndef ZIRCON_COMPILER_H_
#define ZIRCON_COMPILER_H_

#ifdef __cplusplus
#define __BEGIN_CDECLS extern "C" {
#define __END_CDECLS }
#else
#define __BEGIN_CDECLS
#define __END_CDECLS
#endif

#define __LEAF_FN __attribute__((__leaf__))
#define __CONST __attribute__((__const__))
#define __CONSTRUCTOR __attribute__((__constructor__))
#define __DESTRUCTOR __attribute__((__destructor__))
#define __EXPORT __attribute__((__visibility__("default")))
#define __LOCAL __attribute__((__visibility__("hidden")))
#define __WEAK __attribute__((__weak__))
#define __ALIAS(name) __attribute__((__alias__(name)))
#define __SECTION(name) __attribute__((__section__(name)))
#define __ALIGNED(size) __attribute__((__aligned__(size)))
#define __PACKED __attribute__((__packed__))
#define __PRINTFLIKE(format, first) __attribute__((__format__(__printf__, format, first)))
#define __ALWAYS_INLINE __attribute__((__always_inline__))
#define __NO_INLINE __attribute__((__noinline__))
#define __NO_RETURN __attribute__((__noreturn__))
#define __PURE __attribute__((__pure__))
#define __MALLOC __attribute__((__malloc__))
#define __NONNULL(list) __attribute__((__nonnull__ list))
#define __RESTRICT __restrict
#define __UNUSED __attribute__((__unused__))
#define __USED __attribute__((__used__))
#define __WARN_UNUSED_RESULT __attribute__((__warn_unused_result__))
#define __DEPRECATE __attribute__((__deprecated__))
#define __UNREACHABLE __builtin_unreachable()
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define countof(a) (sizeof(a) / sizeof((a)[0]))
#define __CONCAT_(a, b) a##b
#define __CONCAT(a, b) __CONCAT_(a, b)

#ifdef __cplusplus
#define __FALLTHROUGH [[fallthrough]]
#else
#define __FALLTHROUGH __attribute__((__fallthrough__))
#endif

#endif  // ZIRCON_COMPILER_H_
