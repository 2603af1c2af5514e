// Streams, as a program uses them: a log that several handles append to, and a file that is read and changed.

#include <string.h>
#include <zircon/syscalls/object.h>

#include "sentences.h"

#define PAGE 4096ul

static zx_handle_t vmo, stream;
static char buffer[64];
static size_t actual;

static zx_iovec_t vector(const void* data, size_t size) {
  return (zx_iovec_t){.buffer = (void*)data, .capacity = size};
}

static uint64_t content(void) {
  uint64_t size = 0;
  OK(zx_vmo_get_stream_size(vmo, &size));
  return size;
}

static int is(const char* expected) {
  size_t length = strlen(expected);
  char data[64];
  return content() == length && zx_vmo_read(vmo, data, 0, length) == ZX_OK && memcmp(data, expected, length) == 0;
}

int main(void) {
  say("made");
  OK(zx_vmo_create(2 * PAGE, 0, &vmo));
  OK(zx_vmo_set_stream_size(vmo, 0));
  OK(zx_stream_create(ZX_STREAM_MODE_READ | ZX_STREAM_MODE_WRITE, vmo, 0, &stream));

  say("written_from_several_buffers");
  zx_iovec_t words[] = {vector("one ", 4), vector("", 0), vector("two ", 4), vector("three", 5)};
  OK(zx_stream_writev(stream, 0, words, 4, &actual));
  TRUE(actual == 13 && is("one two three"));

  say("read_into_several_buffers");
  zx_iovec_t parts[] = {vector(buffer, 3), vector(buffer + 10, 20)};
  zx_off_t place = 99;
  OK(zx_stream_seek(stream, ZX_STREAM_SEEK_ORIGIN_START, 0, &place));
  OK(zx_stream_readv(stream, 0, parts, 2, &actual));
  TRUE(place == 0 && actual == 13 && memcmp(buffer, "one", 3) == 0 && memcmp(buffer + 10, " two three", 10) == 0);

  say("the_end");
  OK(zx_stream_readv(stream, 0, parts, 2, &actual));
  TRUE(actual == 0);

  say("at_an_offset");
  OK(zx_stream_writev_at(stream, 0, 4, &(zx_iovec_t){.buffer = (void*)"TWO", .capacity = 3}, 1, NULL));
  OK(zx_stream_readv_at(stream, 0, 2, parts, 1, &actual));
  TRUE(actual == 3 && memcmp(buffer, "e T", 3) == 0 && is("one TWO three"));

  say("appended");
  zx_handle_t log;
  zx_iovec_t four = vector(" four", 5);
  OK(zx_stream_create(ZX_STREAM_MODE_WRITE | ZX_STREAM_MODE_APPEND, vmo, 0, &log));
  OK(zx_stream_writev(log, 0, &four, 1, NULL));
  OK(zx_stream_writev(stream, ZX_STREAM_APPEND, &four, 1, NULL));
  TRUE(is("one TWO three four four"));

  say("over_a_page");
  OK(zx_stream_writev_at(stream, 0, PAGE - 2, &four, 1, &actual));
  TRUE(actual == 5 && content() == PAGE + 3);
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_stream_writev_at(stream, 0, 2 * PAGE, &four, 1, &actual));

  say("information");
  zx_info_stream_t info;
  OK(zx_object_get_info(stream, ZX_INFO_STREAM, &info, sizeof(info), NULL, NULL));
  TRUE(info.options == (ZX_STREAM_MODE_READ | ZX_STREAM_MODE_WRITE) && info.seek == 23 && info.content_size == PAGE + 3);
  uint8_t mode = 1;
  OK(zx_object_get_property(stream, ZX_PROP_STREAM_MODE_APPEND, &mode, sizeof(mode)));
  TRUE(mode == 0);

  say("bad_buffers");
  zx_iovec_t null = vector(NULL, 7), constant = vector("constant", 8), kernel = vector((void*)~0xffful, 8);
  OK(zx_stream_seek(stream, ZX_STREAM_SEEK_ORIGIN_START, 0, NULL));
  EXPECT(ZX_ERR_NOT_FOUND, zx_stream_readv(stream, 0, &null, 1, &actual));
  EXPECT(ZX_ERR_NOT_FOUND, zx_stream_writev(stream, 0, &null, 1, &actual));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_stream_readv(stream, 0, &constant, 1, &actual));
  EXPECT(ZX_ERR_NOT_FOUND, zx_stream_writev(stream, 0, &kernel, 1, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_stream_writev(stream, 0, NULL, 0, &actual));

  say("rights");
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_stream_readv(log, 0, parts, 1, &actual));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_stream_readv(vmo, 0, parts, 1, &actual));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_stream_readv(ZX_HANDLE_INVALID, 0, parts, 1, &actual));
  say(NULL);
  return 0;
}
