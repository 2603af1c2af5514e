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

// For programs that make other processes, and run code in them that is linked to nothing.

// Maps the vDSO of this process below `vmar`, a region of another one; `*base` is where it begins. Statuses:
// those of vmar_allocate and vmar_map; ZX_ERR_BAD_HANDLE where this program was given no vDSO VMO.
zx_status_t jx_vdso_map(zx_handle_t vmar, zx_vaddr_t* base);

// Where the call `name` lies in the vDSO: bytes from its base. 0: it has no such call.
uintptr_t jx_vdso_offset(const char* name);

__END_CDECLS

#endif  // JACINTH_H_
