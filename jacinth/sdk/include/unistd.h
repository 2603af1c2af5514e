// The standard streams by number. Errors are -1, without a reason.
#ifndef UNISTD_H_
#define UNISTD_H_

#include <stddef.h>
#include <zircon/compiler.h>

__BEGIN_CDECLS

typedef long ssize_t;

#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

extern char** environ;

ssize_t read(int fd, void* data, size_t size);
ssize_t write(int fd, const void* data, size_t size);
void _exit(int status) __NO_RETURN;

__END_CDECLS

#endif  // UNISTD_H_
