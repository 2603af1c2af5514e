// ASCII only.
#ifndef CTYPE_H_
#define CTYPE_H_

#include <zircon/compiler.h>

__BEGIN_CDECLS

int isalnum(int c);
int isalpha(int c);
int iscntrl(int c);
int isdigit(int c);
int isgraph(int c);
int islower(int c);
int isprint(int c);
int ispunct(int c);
int isspace(int c);
int isupper(int c);
int isxdigit(int c);
int tolower(int c);
int toupper(int c);

__END_CDECLS

#endif  // CTYPE_H_
