#ifndef ZIRCON_STRING_VIEW_H_
#define ZIRCON_STRING_VIEW_H_

#include <stddef.h>
#include <zircon/compiler.h>

__BEGIN_CDECLS

// Text that belongs to somebody else: `length` bytes, and here a NUL behind them.
typedef struct zx_string_view {
  const char* c_str;
  size_t length;
} zx_string_view_t;

__END_CDECLS

#endif  // ZIRCON_STRING_VIEW_H_
