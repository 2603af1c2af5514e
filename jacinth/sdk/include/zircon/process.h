// What this program knows of itself: handles that came with the bootstrap message.
#ifndef ZIRCON_PROCESS_H_
#define ZIRCON_PROCESS_H_

#include <stdint.h>
#include <zircon/compiler.h>
#include <zircon/types.h>

__BEGIN_CDECLS

// Each startup handle can be taken once; the taker owns it. ZX_HANDLE_INVALID where there is none of that
// kind. `hnd_info` is a PA_HND() value of <zircon/processargs.h>.
zx_handle_t zx_take_startup_handle(uint32_t hnd_info);

// The same handle, not taken.
zx_handle_t zx_get_startup_handle(uint32_t hnd_info);

// Borrowed: not for the caller to close.
zx_handle_t zx_process_self(void);
zx_handle_t _zx_process_self(void);
zx_handle_t zx_thread_self(void);
zx_handle_t _zx_thread_self(void);
zx_handle_t zx_vmar_root_self(void);
zx_handle_t _zx_vmar_root_self(void);
zx_handle_t zx_job_default(void);
zx_handle_t _zx_job_default(void);

__END_CDECLS

#endif  // ZIRCON_PROCESS_H_
