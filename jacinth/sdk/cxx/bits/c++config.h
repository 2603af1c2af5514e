// The compiler's libstdc++, configured for Jacinth: without glibc, Linux's futexes, std::thread, wide characters, and
// templates that lie in libstdc++.so.
#pragma GCC system_header

#define _GLIBCXX_OS_DEFINES 1  // the host's, which asks for glibc's <features.h>
#define _GLIBCXX_EXTERN_TEMPLATE 0
#include_next <bits/c++config.h>

#undef _GLIBCXX_HAS_GTHREADS
#undef _GLIBCXX_HAVE_LINUX_FUTEX
#undef _GLIBCXX_HAVE_MBSTATE_T
#undef _GLIBCXX_HAVE_WCHAR_H
#undef _GLIBCXX_USE_WCHAR_T
