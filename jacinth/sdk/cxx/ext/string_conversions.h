// libstdc++ makes std::stoi() and its like of this; they need errno and exceptions, and are declared alone.
#ifndef EXT_STRING_CONVERSIONS_H_
#define EXT_STRING_CONVERSIONS_H_

#include <cstdio>
#include <cstdlib>

namespace std {

float strtof(const char*, char**);
double strtod(const char*, char**);
long double strtold(const char*, char**);

}  // namespace std

namespace __gnu_cxx {

template <typename Wide, typename Result = Wide, typename Char, typename... Base>
Result __stoa(Wide (*)(const Char*, Char**, Base...), const char*, const Char*, std::size_t*, Base...);

template <typename String, typename Char>
String __to_xstring(int (*)(Char*, std::size_t, const Char*, __builtin_va_list), std::size_t, const Char*, ...);

}  // namespace __gnu_cxx

#endif  // EXT_STRING_CONVERSIONS_H_
