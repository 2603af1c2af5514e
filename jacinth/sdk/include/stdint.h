// The compiler's own. gcc's asks for the C library's where there is one.
#if __has_include(<stdint-gcc.h>)
#include <stdint-gcc.h>
#else
#include_next <stdint.h>
#endif
