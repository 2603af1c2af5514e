// Output to the standard streams: standard output is written out at every newline, standard error at every
// call.
#ifndef STDIO_H_
#define STDIO_H_

#include <stdarg.h>
#include <stddef.h>
#include <zircon/compiler.h>

__BEGIN_CDECLS

typedef struct jx_file FILE;
extern FILE* const stdin;
extern FILE* const stdout;
extern FILE* const stderr;

#define EOF (-1)
#define BUFSIZ 1024

int printf(const char* __RESTRICT format, ...) __PRINTFLIKE(1, 2);
int fprintf(FILE* __RESTRICT file, const char* __RESTRICT format, ...) __PRINTFLIKE(2, 3);
int sprintf(char* __RESTRICT buffer, const char* __RESTRICT format, ...) __PRINTFLIKE(2, 3);
int snprintf(char* __RESTRICT buffer, size_t size, const char* __RESTRICT format, ...) __PRINTFLIKE(3, 4);
int vprintf(const char* __RESTRICT format, va_list arguments) __PRINTFLIKE(1, 0);
int vfprintf(FILE* __RESTRICT file, const char* __RESTRICT format, va_list arguments) __PRINTFLIKE(2, 0);
int vsprintf(char* __RESTRICT buffer, const char* __RESTRICT format, va_list arguments) __PRINTFLIKE(2, 0);
int vsnprintf(char* __RESTRICT buffer, size_t size, const char* __RESTRICT format, va_list arguments)
    __PRINTFLIKE(3, 0);

int puts(const char* text);
int fputs(const char* __RESTRICT text, FILE* __RESTRICT file);
int putchar(int c);
int putc(int c, FILE* file);
int fputc(int c, FILE* file);
size_t fwrite(const void* __RESTRICT data, size_t size, size_t count, FILE* __RESTRICT file);
int fflush(FILE* file);

int getchar(void);
int getc(FILE* file);
int fgetc(FILE* file);
char* fgets(char* __RESTRICT line, int size, FILE* __RESTRICT file);
size_t fread(void* __RESTRICT data, size_t size, size_t count, FILE* __RESTRICT file);
int feof(FILE* file);
int ferror(FILE* file);
int fileno(FILE* file);

__END_CDECLS

#endif  // STDIO_H_
