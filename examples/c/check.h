// For examples: end the program with one line where a call fails.
#ifndef CHECK_H_
#define CHECK_H_

#include <stdio.h>
#include <zircon/syscalls.h>

#define CHECK(call)                                                \
  do {                                                             \
    zx_status_t check_status = (call);                             \
    if (check_status != ZX_OK) {                                   \
      printf("%s: %s\n", #call, zx_status_get_string(check_status)); \
      zx_process_exit(1);                                          \
    }                                                              \
  } while (0)

#endif  // CHECK_H_
