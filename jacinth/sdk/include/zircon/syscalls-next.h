// Calls that are not in Zircon's stable interface yet. Here <zircon/syscalls.h> declares them as well.
#ifndef ZIRCON_SYSCALLS_NEXT_H_
#define ZIRCON_SYSCALLS_NEXT_H_

#include <zircon/syscalls.h>

#endif  // ZIRCON_SYSCALLS_NEXT_H_
