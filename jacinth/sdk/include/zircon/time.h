// Points in time and stretches of it, in nanoseconds. Sums and products stop at the ends of the range.
#ifndef ZIRCON_TIME_H_
#define ZIRCON_TIME_H_

#include <stdint.h>
#include <zircon/compiler.h>

__BEGIN_CDECLS

typedef int64_t zx_time_t;
typedef int64_t zx_instant_mono_t;
typedef int64_t zx_instant_boot_t;
typedef int64_t zx_duration_t;
typedef int64_t zx_duration_mono_t;
typedef int64_t zx_duration_boot_t;
typedef int64_t zx_ticks_t;
typedef int64_t zx_instant_mono_ticks_t;
typedef int64_t zx_instant_boot_ticks_t;
typedef int64_t zx_duration_mono_ticks_t;
typedef int64_t zx_duration_boot_ticks_t;

#define ZX_TIME_INFINITE INT64_MAX
#define ZX_TIME_INFINITE_PAST INT64_MIN

static inline int64_t __zx_saturating_add(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? INT64_MIN : INT64_MAX;
  return sum;
}

static inline int64_t __zx_saturating_sub(int64_t a, int64_t b) {
  int64_t difference;
  if (__builtin_sub_overflow(a, b, &difference)) return a < 0 ? INT64_MIN : INT64_MAX;
  return difference;
}

static inline int64_t __zx_saturating_mul(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
  return product;
}

static inline zx_time_t zx_time_add_duration(zx_time_t time, zx_duration_t duration) {
  return __zx_saturating_add(time, duration);
}

static inline zx_time_t zx_time_sub_duration(zx_time_t time, zx_duration_t duration) {
  return __zx_saturating_sub(time, duration);
}

static inline zx_duration_t zx_time_sub_time(zx_time_t later, zx_time_t earlier) {
  return __zx_saturating_sub(later, earlier);
}

static inline zx_duration_t zx_duration_add_duration(zx_duration_t a, zx_duration_t b) {
  return __zx_saturating_add(a, b);
}

static inline zx_duration_t zx_duration_sub_duration(zx_duration_t a, zx_duration_t b) {
  return __zx_saturating_sub(a, b);
}

static inline zx_duration_t zx_duration_mul_int64(zx_duration_t duration, int64_t factor) {
  return __zx_saturating_mul(duration, factor);
}

static inline int64_t zx_nsec_from_duration(zx_duration_t duration) { return duration; }

static inline zx_ticks_t zx_ticks_add_ticks(zx_ticks_t a, zx_ticks_t b) { return __zx_saturating_add(a, b); }
static inline zx_ticks_t zx_ticks_sub_ticks(zx_ticks_t a, zx_ticks_t b) { return __zx_saturating_sub(a, b); }
static inline zx_ticks_t zx_ticks_mul_int64(zx_ticks_t ticks, int64_t factor) {
  return __zx_saturating_mul(ticks, factor);
}

#define ZX_NSEC(n) ((zx_duration_t)(1LL * (n)))
#define ZX_USEC(n) ((zx_duration_t)(1000LL * (n)))
#define ZX_MSEC(n) ((zx_duration_t)(1000000LL * (n)))
#define ZX_SEC(n) ((zx_duration_t)(1000000000LL * (n)))
#define ZX_MIN(n) ((zx_duration_t)(60LL * 1000000000LL * (n)))
#define ZX_HOUR(n) ((zx_duration_t)(3600LL * 1000000000LL * (n)))

__END_CDECLS

#endif  // ZIRCON_TIME_H_
