#ifndef ZIRCON_THREADS_H_
#define ZIRCON_THREADS_H_

#include <threads.h>
#include <zircon/types.h>

__BEGIN_CDECLS

// Borrowed: valid until the thread is joined, or ends detached.
zx_handle_t thrd_get_zx_handle(thrd_t thread);

__END_CDECLS

#endif  // ZIRCON_THREADS_H_
