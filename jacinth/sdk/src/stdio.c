// <stdio.h>: the three standard streams, over a socket, the debuglog, or zx_debug_write.

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zircon/process.h>
#include <zircon/processargs.h>

#include "internal.h"

// -- bytes --

enum { FOR_ALL_THREE = 0x8000 };  // in the argument of PA_FD: one handle for standard input, output and error

static zx_handle_t handles[3];

HIDDEN void __jx_stdio_start(void) {
  zx_handle_t shared = ZX_HANDLE_INVALID;
  for (uint32_t fd = 0; fd < 3 && shared == ZX_HANDLE_INVALID; fd++) {
    shared = zx_take_startup_handle(PA_HND(PA_FD, fd | FOR_ALL_THREE));
  }
  for (uint32_t fd = 0; fd < 3; fd++) {
    zx_handle_t own = zx_take_startup_handle(PA_HND(PA_FD, fd));
    handles[fd] = own != ZX_HANDLE_INVALID ? own : shared;
  }
}

HIDDEN zx_handle_t __jx_stdio_handle(int fd) { return fd >= 0 && fd < 3 ? handles[fd] : ZX_HANDLE_INVALID; }

ssize_t write(int fd, const void* data, size_t size) {
  if (fd != STDOUT_FILENO && fd != STDERR_FILENO) return -1;
  const char* bytes = data;
  size_t done = 0;
  while (done < size) {
    size_t left = size - done, actual = 0;
    zx_status_t status;
    if (handles[fd] == ZX_HANDLE_INVALID) {
      actual = left < 256 ? left : 256;
      status = zx_debug_write(bytes + done, actual);
    } else {
      status = zx_socket_write(handles[fd], 0, bytes + done, left, &actual);
      if (status == ZX_ERR_WRONG_TYPE) {
        actual = left < ZX_LOG_RECORD_DATA_MAX ? left : ZX_LOG_RECORD_DATA_MAX;
        status = zx_debuglog_write(handles[fd], 0, bytes + done, actual);
      }
    }
    if (status == ZX_OK) {
      done += actual;
    } else if (status == ZX_ERR_SHOULD_WAIT) {
      zx_object_wait_one(handles[fd], ZX_SOCKET_WRITABLE | ZX_SOCKET_PEER_CLOSED | ZX_SOCKET_WRITE_DISABLED,
                         ZX_TIME_INFINITE, NULL);
    } else {
      return done > 0 ? (ssize_t)done : -1;
    }
  }
  return (ssize_t)done;
}

ssize_t read(int fd, void* data, size_t size) {
  if (fd != STDIN_FILENO || handles[fd] == ZX_HANDLE_INVALID) return -1;
  for (;;) {
    size_t actual = 0;
    zx_status_t status = zx_socket_read(handles[fd], 0, data, size, &actual);
    if (status == ZX_OK) return (ssize_t)actual;
    if (status == ZX_ERR_PEER_CLOSED || status == ZX_ERR_BAD_STATE) return 0;
    if (status != ZX_ERR_SHOULD_WAIT) return -1;
    zx_object_wait_one(handles[fd],
                       ZX_SOCKET_READABLE | ZX_SOCKET_PEER_CLOSED | ZX_SOCKET_PEER_WRITE_DISABLED,
                       ZX_TIME_INFINITE, NULL);
  }
}

// -- streams --

struct jx_file {
  int fd;
  bool by_line;  // written out at every newline; else at the end of every call
  bool error, eof;
  mtx_t lock;
  size_t used, next;  // bytes in the buffer; of an input stream, how many were taken
  char buffer[1024];
};

static FILE input = {.fd = STDIN_FILENO};
static FILE output = {.fd = STDOUT_FILENO, .by_line = true};
static FILE errors = {.fd = STDERR_FILENO};
FILE* const stdin = &input;
FILE* const stdout = &output;
FILE* const stderr = &errors;

static void flush(FILE* file) {
  size_t used = file->used;
  file->used = 0;
  if (file->fd != STDIN_FILENO && used > 0 && write(file->fd, file->buffer, used) != (ssize_t)used)
    file->error = true;
}

static void put(FILE* file, const char* data, size_t size) {
  while (size > 0) {
    size_t part = sizeof(file->buffer) - file->used;
    if (part > size) part = size;
    memcpy(file->buffer + file->used, data, part);
    file->used += part;
    data += part;
    size -= part;
    if (file->used == sizeof(file->buffer)) flush(file);
  }
}

// At the end of every call that wrote to a stream.
static void settle(FILE* file) {
  if (!file->by_line) {
    flush(file);
    return;
  }
  for (size_t end = file->used; end > 0; end--) {
    if (file->buffer[end - 1] == '\n') {
      flush(file);
      return;
    }
  }
}

int fflush(FILE* file) {
  if (file == NULL) {
    fflush(stderr);
    file = stdout;
  }
  if (file->fd == STDIN_FILENO) return 0;
  mtx_lock(&file->lock);
  flush(file);
  bool error = file->error;
  mtx_unlock(&file->lock);
  return error ? EOF : 0;
}

HIDDEN void __jx_stdio_flush(void) {
  // Not for a thread that was stopped in the middle of a call.
  if (mtx_trylock(&output.lock) != thrd_success) return;
  flush(&output);
  mtx_unlock(&output.lock);
}

size_t fwrite(const void* restrict data, size_t size, size_t count, FILE* restrict file) {
  if (size == 0) return 0;
  mtx_lock(&file->lock);
  put(file, data, size * count);
  settle(file);
  bool error = file->error;
  mtx_unlock(&file->lock);
  return error ? 0 : count;
}

int fputs(const char* restrict text, FILE* restrict file) {
  size_t length = strlen(text);
  return fwrite(text, 1, length, file) == length ? 0 : EOF;
}

int fputc(int c, FILE* file) {
  char byte = (char)c;
  return fwrite(&byte, 1, 1, file) == 1 ? (unsigned char)c : EOF;
}

int putc(int c, FILE* file) { return fputc(c, file); }
int putchar(int c) { return fputc(c, stdout); }

int puts(const char* text) {
  mtx_lock(&output.lock);
  put(&output, text, strlen(text));
  put(&output, "\n", 1);
  settle(&output);
  bool error = output.error;
  mtx_unlock(&output.lock);
  return error ? EOF : 0;
}

int fgetc(FILE* file) {
  mtx_lock(&file->lock);
  int c = EOF;
  if (file->next == file->used) {
    if (file == stdin) fflush(stdout);
    ssize_t size = read(file->fd, file->buffer, sizeof(file->buffer));
    file->next = 0;
    file->used = size > 0 ? (size_t)size : 0;
    file->eof |= size == 0;
    file->error |= size < 0;
  }
  if (file->next < file->used) c = (unsigned char)file->buffer[file->next++];
  mtx_unlock(&file->lock);
  return c;
}

int getc(FILE* file) { return fgetc(file); }
int getchar(void) { return fgetc(stdin); }
int feof(FILE* file) { return file->eof; }
int ferror(FILE* file) { return file->error; }
int fileno(FILE* file) { return file->fd; }

char* fgets(char* restrict line, int size, FILE* restrict file) {
  int length = 0;
  while (length + 1 < size) {
    int c = fgetc(file);
    if (c == EOF) break;
    line[length++] = (char)c;
    if (c == '\n') break;
  }
  if (length == 0) return NULL;
  line[length] = '\0';
  return line;
}

size_t fread(void* restrict data, size_t size, size_t count, FILE* restrict file) {
  size_t done = 0, wanted = size * count;
  for (int c; done < wanted && (c = fgetc(file)) != EOF;) ((char*)data)[done++] = (char)c;
  return size == 0 ? 0 : done / size;
}

// -- formats --

// Where formatted text goes: a stream, or a buffer, which keeps what fits.
struct sink {
  FILE* file;
  char* buffer;
  size_t size;
  size_t total;
};

static void emit(struct sink* sink, const char* data, size_t size) {
  if (sink->file != NULL) {
    put(sink->file, data, size);
  } else if (sink->total < sink->size) {
    size_t room = sink->size - sink->total;
    memcpy(sink->buffer + sink->total, data, size < room ? size : room);
  }
  sink->total += size;
}

static void repeat(struct sink* sink, char c, long count) {
  char block[32];
  memset(block, c, sizeof(block));
  for (; count > 0; count -= sizeof(block)) {
    emit(sink, block, (size_t)count < sizeof(block) ? (size_t)count : sizeof(block));
  }
}

struct format {
  bool left, plus, space, alternate, zero;
  int width;
  int precision;  // -1: none given
  char conversion;
};

// A prefix (sign, 0x) and a body of `body` characters: what comes before the body. Answers how many spaces
// come behind it.
static long open_field(struct sink* sink, const struct format* f, const char* prefix, size_t body,
                       bool zero) {
  size_t length = strlen(prefix);
  long padding = f->width - (long)(length + body);
  if (!f->left && !zero) repeat(sink, ' ', padding);
  emit(sink, prefix, length);
  if (!f->left && zero) repeat(sink, '0', padding);
  return f->left ? padding : 0;
}

static const char* sign_of(const struct format* f, bool negative) {
  return negative ? "-" : f->plus ? "+" : f->space ? " " : "";
}

static void put_text(struct sink* sink, const struct format* f, const char* text, size_t length) {
  long behind = open_field(sink, f, "", length, false);
  emit(sink, text, length);
  repeat(sink, ' ', behind);
}

static void put_integer(struct sink* sink, const struct format* f, uint64_t value, bool negative) {
  char conversion = f->conversion;
  unsigned base = conversion == 'o'                                             ? 8
                  : conversion == 'x' || conversion == 'X' || conversion == 'p' ? 16
                                                                                : 10;
  const char* names = conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  char digits[24];
  char* start = digits + sizeof(digits);
  for (uint64_t rest = value; rest != 0; rest /= base) *--start = names[rest % base];
  size_t count = (size_t)(digits + sizeof(digits) - start);
  size_t least = f->precision >= 0 ? (size_t)f->precision : 1;
  if (conversion == 'o' && f->alternate && least <= count) least = count + 1;
  size_t zeros = count < least ? least - count : 0;
  const char* prefix = "";
  if (conversion == 'd') prefix = sign_of(f, negative);
  if (conversion == 'p') prefix = "0x";
  if (f->alternate && value != 0 && conversion == 'x') prefix = "0x";
  if (f->alternate && value != 0 && conversion == 'X') prefix = "0X";
  long behind = open_field(sink, f, prefix, zeros + count, f->zero && f->precision < 0);
  repeat(sink, '0', (long)zeros);
  emit(sink, start, count);
  repeat(sink, ' ', behind);
}

// A number 0.d1 d2 d3 ... times 10 to the `point`, exact, without zeros in front.
struct decimal {
  int count;
  int point;
  char digits[800];  // 767 are the most that a double has
};

// Every double is m * 2**e, and m * 2**-k is m * 5**k / 10**k: one integer of up to 86 limbs of nine digits.
static void to_decimal(double value, struct decimal* out) {
  enum { LIMBS = 90, LIMB = 1000000000 };
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  uint64_t m = bits & ((UINT64_C(1) << 52) - 1);
  int e = (int)(bits >> 52 & 0x7ff);
  if (e != 0)
    m |= UINT64_C(1) << 52;
  else
    e = 1;
  e -= 1075;
  out->count = 0;
  out->point = 0;
  if (m == 0) return;
  while (e < 0 && (m & 1) == 0) m >>= 1, e++;
  uint32_t limbs[LIMBS] = {(uint32_t)(m % LIMB), (uint32_t)(m / LIMB)};
  int used = 2;
  int k = e < 0 ? -e : 0;
  for (int left = e < 0 ? k : e; left > 0;) {
    int step = left < 12 ? left : 12;  // 5**12 and 2**12 fit in 32 bits
    uint64_t factor = 1;
    for (int i = 0; i < step; i++) factor *= e < 0 ? 5 : 2;
    uint64_t carry = 0;
    for (int i = 0; i < used; i++) {
      carry += limbs[i] * factor;
      limbs[i] = (uint32_t)(carry % LIMB);
      carry /= LIMB;
    }
    if (carry != 0) limbs[used++] = (uint32_t)carry;
    left -= step;
  }
  while (limbs[used - 1] == 0) used--;
  for (int i = used - 1; i >= 0; i--) {
    char digits[9];
    uint32_t rest = limbs[i];
    for (int j = 8; j >= 0; j--, rest /= 10) digits[j] = (char)('0' + rest % 10);
    for (int j = 0; j < 9; j++) {
      if (out->count > 0 || digits[j] != '0') out->digits[out->count++] = digits[j];
    }
  }
  out->point = out->count - k;
}

// Keeps the first `keep` digits; half goes to even.
static void round_decimal(struct decimal* d, long keep) {
  if (keep >= d->count) return;
  if (keep < 0) {
    d->count = 0;
    return;
  }
  bool up = d->digits[keep] > '5';
  if (d->digits[keep] == '5') {
    up = keep > 0 && (d->digits[keep - 1] - '0') % 2 == 1;
    for (int i = (int)keep + 1; i < d->count; i++) up |= d->digits[i] != '0';
  }
  d->count = (int)keep;
  if (!up) return;
  while (d->count > 0 && d->digits[d->count - 1] == '9') d->count--;
  if (d->count > 0) {
    d->digits[d->count - 1]++;
  } else {
    d->digits[0] = '1';
    d->count = 1;
    d->point++;
  }
}

// `count` digits from place `from` on, zeros where there are none.
static void put_digits(struct sink* sink, const struct decimal* d, long from, long count) {
  if (from < 0) {
    long zeros = -from < count ? -from : count;
    repeat(sink, '0', zeros);
    from += zeros;
    count -= zeros;
  }
  long there = d->count > from ? d->count - from : 0;
  if (there > count) there = count;
  if (there > 0) emit(sink, d->digits + from, (size_t)there);
  repeat(sink, '0', count - there);
}

static void put_double(struct sink* sink, const struct format* f, double value) {
  bool upper = f->conversion >= 'A' && f->conversion <= 'Z';
  char kind = (char)(f->conversion | 0x20);
  bool negative = __builtin_signbit(value);
  const char* sign = sign_of(f, negative);
  if (__builtin_isnan(value) || __builtin_isinf(value)) {
    const char* name = __builtin_isnan(value) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
    long behind = open_field(sink, f, sign, 3, false);
    emit(sink, name, 3);
    repeat(sink, ' ', behind);
    return;
  }
  struct decimal d;
  to_decimal(value, &d);
  long precision = f->precision < 0 ? 6 : f->precision;
  long point;
  if (kind == 'g') {
    if (precision == 0) precision = 1;
    round_decimal(&d, precision);
    while (d.count > 0 && d.digits[d.count - 1] == '0') d.count--;
    point = d.count > 0 ? d.point : 1;
    bool fixed = point > -4 && point <= precision;
    kind = fixed ? 'f' : 'e';
    long fraction = fixed ? precision - point : precision - 1;
    if (!f->alternate) {
      long needed = fixed ? d.count - point : d.count - 1;
      if (needed < 0) needed = 0;
      if (fraction > needed) fraction = needed;
    }
    precision = fraction;
  } else {
    round_decimal(&d, kind == 'f' ? d.point + precision : precision + 1);
    point = d.count > 0 ? d.point : kind == 'f' ? 0 : 1;
  }
  bool dot = precision > 0 || f->alternate;
  if (kind == 'f') {
    long whole = point > 0 ? point : 1;
    long behind = open_field(sink, f, sign, (size_t)(whole + dot + precision), f->zero);
    put_digits(sink, &d, point > 0 ? 0 : -1, whole);
    if (dot) emit(sink, ".", 1);
    put_digits(sink, &d, point, precision);
    repeat(sink, ' ', behind);
    return;
  }
  char exponent[8];
  int length = snprintf(exponent, sizeof(exponent), "%c%c%02d", upper ? 'E' : 'e', point < 1 ? '-' : '+',
                        (int)(point < 1 ? 1 - point : point - 1));
  long behind = open_field(sink, f, sign, (size_t)(1 + dot + precision + length), f->zero);
  put_digits(sink, &d, 0, 1);
  if (dot) emit(sink, ".", 1);
  put_digits(sink, &d, 1, precision);
  emit(sink, exponent, (size_t)length);
  repeat(sink, ' ', behind);
}

enum size { CHAR, SHORT, INT, LONG, LONG_DOUBLE };

static int64_t take_signed(va_list* arguments, enum size size) {
  if (size >= LONG) return va_arg(*arguments, int64_t);
  int value = va_arg(*arguments, int);
  return size == CHAR ? (signed char)value : size == SHORT ? (short)value : value;
}

static uint64_t take_unsigned(va_list* arguments, enum size size) {
  if (size >= LONG) return va_arg(*arguments, uint64_t);
  unsigned value = va_arg(*arguments, unsigned);
  return size == CHAR ? (unsigned char)value : size == SHORT ? (unsigned short)value : value;
}

static int take_number(const char** p, va_list* arguments) {
  if (**p == '*') {
    (*p)++;
    return va_arg(*arguments, int);
  }
  int value = 0;
  for (; **p >= '0' && **p <= '9'; (*p)++) {
    if (value < INT_MAX / 10 - 1) value = value * 10 + (**p - '0');
  }
  return value;
}

static void put_conversion(struct sink* sink, struct format* f, enum size size, va_list* arguments) {
  switch (f->conversion) {
    case 'd':
    case 'i': {
      int64_t value = take_signed(arguments, size);
      f->conversion = 'd';
      put_integer(sink, f, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
      return;
    }
    case 'u':
    case 'o':
    case 'x':
    case 'X': put_integer(sink, f, take_unsigned(arguments, size), false); return;
    case 'p': put_integer(sink, f, (uintptr_t)va_arg(*arguments, void*), false); return;
    case 'c': {
      char c = (char)va_arg(*arguments, int);
      put_text(sink, f, &c, 1);
      return;
    }
    case 's': {
      const char* text = va_arg(*arguments, const char*);
      if (text == NULL) text = "(null)";
      put_text(sink, f, text, f->precision < 0 ? strlen(text) : strnlen(text, (size_t)f->precision));
      return;
    }
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
      put_double(sink, f,
                 size == LONG_DOUBLE ? (double)va_arg(*arguments, long double) : va_arg(*arguments, double));
      return;
    default:  // "%%", and what is no conversion stands for itself
      emit(sink, &f->conversion, 1);
  }
}

static void format(struct sink* sink, const char* p, va_list* arguments) {
  while (*p != '\0') {
    const char* plain = p;
    while (*p != '\0' && *p != '%') p++;
    if (p > plain) emit(sink, plain, (size_t)(p - plain));
    if (*p == '\0') return;
    p++;
    struct format f = {.precision = -1};
    for (bool flags = true; flags;) {
      switch (*p) {
        case '-': f.left = true; break;
        case '+': f.plus = true; break;
        case ' ': f.space = true; break;
        case '#': f.alternate = true; break;
        case '0': f.zero = true; break;
        default: flags = false; continue;
      }
      p++;
    }
    f.width = take_number(&p, arguments);
    if (f.width < 0) {
      f.left = true;
      f.width = f.width == INT_MIN ? INT_MAX : -f.width;
    }
    if (*p == '.') {
      p++;
      f.precision = take_number(&p, arguments);
    }
    enum size size = INT;
    for (bool modifiers = true; modifiers;) {
      switch (*p) {
        case 'h': size = size == SHORT ? CHAR : SHORT; break;
        case 'l':
        case 'z':
        case 't':
        case 'j': size = LONG; break;
        case 'L': size = LONG_DOUBLE; break;
        default: modifiers = false; continue;
      }
      p++;
    }
    f.conversion = *p;
    if (*p == '\0') return;
    p++;
    put_conversion(sink, &f, size, arguments);
  }
}

int vfprintf(FILE* restrict file, const char* restrict text, va_list arguments) {
  struct sink sink = {.file = file};
  va_list copy;
  va_copy(copy, arguments);
  mtx_lock(&file->lock);
  format(&sink, text, &copy);
  settle(file);
  bool error = file->error;
  mtx_unlock(&file->lock);
  va_end(copy);
  return error ? -1 : (int)sink.total;
}

int vsnprintf(char* restrict buffer, size_t size, const char* restrict text, va_list arguments) {
  struct sink sink = {.buffer = buffer, .size = size};
  va_list copy;
  va_copy(copy, arguments);
  format(&sink, text, &copy);
  va_end(copy);
  if (size > 0) buffer[sink.total < size ? sink.total : size - 1] = '\0';
  return (int)sink.total;
}

int vprintf(const char* restrict text, va_list arguments) { return vfprintf(stdout, text, arguments); }

int vsprintf(char* restrict buffer, const char* restrict text, va_list arguments) {
  return vsnprintf(buffer, INT_MAX, text, arguments);
}

int printf(const char* restrict text, ...) {
  va_list arguments;
  va_start(arguments, text);
  int length = vfprintf(stdout, text, arguments);
  va_end(arguments);
  return length;
}

int fprintf(FILE* restrict file, const char* restrict text, ...) {
  va_list arguments;
  va_start(arguments, text);
  int length = vfprintf(file, text, arguments);
  va_end(arguments);
  return length;
}

int snprintf(char* restrict buffer, size_t size, const char* restrict text, ...) {
  va_list arguments;
  va_start(arguments, text);
  int length = vsnprintf(buffer, size, text, arguments);
  va_end(arguments);
  return length;
}

int sprintf(char* restrict buffer, const char* restrict text, ...) {
  va_list arguments;
  va_start(arguments, text);
  int length = vsnprintf(buffer, INT_MAX, text, arguments);
  va_end(arguments);
  return length;
}
