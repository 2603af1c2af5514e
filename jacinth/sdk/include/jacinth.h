// What this SDK has beside Zircon's interface and the C library's.
#ifndef JACINTH_H_
#define JACINTH_H_

#include <stddef.h>
#include <threads.h>
#include <zircon/types.h>

__BEGIN_CDECLS

// Starts a thread of this process on a fresh stack of `stack_size` bytes (0: 64 KiB) with a guard page below
// it.
// `*out` is for thrd_join() or thrd_detach(). Statuses: those of thread_create, vmo_create, vmar_map,
// thread_start.
zx_status_t jx_thread_start(thrd_t* out, const char* name, size_t stack_size, thrd_start_t entry,
                            void* argument);

// Like mtx_lock() and cnd_wait(), until a deadline on the monotonic clock: thrd_success or thrd_timedout.
int jx_mtx_lock_until(mtx_t* mutex, zx_instant_mono_t deadline);
int jx_cnd_wait_until(cnd_t* condition, mtx_t* mutex, zx_instant_mono_t deadline);

__END_CDECLS

#endif  // JACINTH_H_
