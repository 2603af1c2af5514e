// Threads, and locks over futexes. A zeroed mtx_t is a plain mutex, a zeroed cnd_t a condition variable.
#ifndef THREADS_H_
#define THREADS_H_

#include <zircon/compiler.h>
#include <zircon/types.h>

__BEGIN_CDECLS

typedef struct thread* thrd_t;
typedef int (*thrd_start_t)(void*);

enum { thrd_success, thrd_nomem, thrd_timedout, thrd_busy, thrd_error };
enum { mtx_plain = 0, mtx_recursive = 1, mtx_timed = 2 };

typedef struct {
  zx_futex_t futex;
  int type;
  struct thread* owner;
  int depth;
} mtx_t;

typedef struct {
  zx_futex_t sequence;
} cnd_t;

typedef struct {
  zx_futex_t futex;
} once_flag;

#define ONCE_FLAG_INIT {0}
#ifndef __cplusplus
#define thread_local _Thread_local
#endif

// On a stack of 64 KiB; jx_thread_start in <jacinth.h> takes another size.
int thrd_create(thrd_t* out, thrd_start_t entry, void* argument);
int thrd_join(thrd_t thread, int* result);
int thrd_detach(thrd_t thread);
void thrd_exit(int result) __NO_RETURN;
thrd_t thrd_current(void);
int thrd_equal(thrd_t a, thrd_t b);
void thrd_yield(void);

int mtx_init(mtx_t* mutex, int type);
void mtx_destroy(mtx_t* mutex);
int mtx_lock(mtx_t* mutex);
int mtx_trylock(mtx_t* mutex);
int mtx_unlock(mtx_t* mutex);

int cnd_init(cnd_t* condition);
void cnd_destroy(cnd_t* condition);
int cnd_wait(cnd_t* condition, mtx_t* mutex);
int cnd_signal(cnd_t* condition);
int cnd_broadcast(cnd_t* condition);

void call_once(once_flag* flag, void (*function)(void));

__END_CDECLS

#endif  // THREADS_H_
