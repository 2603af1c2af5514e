#ifndef ZIRCON_STATUS_H_
#define ZIRCON_STATUS_H_

#include <zircon/compiler.h>
#include <zircon/types.h>

__BEGIN_CDECLS

// The name of a status, "ZX_ERR_BAD_HANDLE"; "(UNKNOWN)" for a number that is none.
const char* zx_status_get_string(zx_status_t status) __CONST;
const char* _zx_status_get_string(zx_status_t status) __CONST;

__END_CDECLS

#endif  // ZIRCON_STATUS_H_
