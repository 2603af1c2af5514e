// How libstdc++ knows threads: there may be several, so that counters of references are atomic.
#ifndef BITS_GTHR_H_
#define BITS_GTHR_H_

#include <threads.h>

#define __GTHREADS 1
#define __GTHREAD_MUTEX_INIT {}
#define __GTHREAD_RECURSIVE_MUTEX_INIT {0, mtx_recursive, nullptr, 0}

typedef mtx_t __gthread_mutex_t;
typedef mtx_t __gthread_recursive_mutex_t;

static inline int __gthread_active_p() { return 1; }
static inline int __gthread_mutex_lock(mtx_t* mutex) { return mtx_lock(mutex); }
static inline int __gthread_mutex_unlock(mtx_t* mutex) { return mtx_unlock(mutex); }
static inline int __gthread_recursive_mutex_lock(mtx_t* mutex) { return mtx_lock(mutex); }
static inline int __gthread_recursive_mutex_unlock(mtx_t* mutex) { return mtx_unlock(mutex); }

#endif  // BITS_GTHR_H_
