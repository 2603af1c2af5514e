// libstdc++ names this type where it speaks of locales; there are none.
#ifndef BITS_CXXLOCALE_H_
#define BITS_CXXLOCALE_H_

namespace std {

typedef void* __c_locale;

}  // namespace std

#endif  // BITS_CXXLOCALE_H_
