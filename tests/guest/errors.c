// The documented errors of each family of calls, and what only a guest can do wrong: pointers. One sentence for each family and
// condition; tests/guest/test_errors.py asserts them.

#include <jacinth.h>
#include <stdint.h>
#include <string.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls/port.h>

#include "sentences.h"

#define PAGE 4096ul
#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define NONE ZX_HANDLE_INVALID
#define BAD ((zx_handle_t)0x7ffffff3)

static zx_handle_t event, channel, peer, job, root;
static zx_handle_t h0, h1;  // outputs that are not looked at
static char* edge;          // the first byte behind what is mapped
static char* readonly;      // a page that cannot be written to
static char scratch[256];
#define NOWHERE ((void*)0x1008)
#define KERNEL ((void*)0xffffffff80000000ul)
#define NONCANONICAL ((void*)(1ul << 52))

static zx_handle_t without(zx_handle_t handle, zx_rights_t missing) {
  zx_info_handle_basic_t info;
  zx_handle_t copy = NONE;
  OK(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
  OK(zx_handle_duplicate(handle, info.rights & ~missing, &copy));
  return copy;
}

static size_t handle_count(void) {
  zx_info_process_handle_stats_t stats;
  size_t sum = 0;
  OK(zx_object_get_info(zx_process_self(), ZX_INFO_PROCESS_HANDLE_STATS, &stats, sizeof(stats), NULL, NULL));
  for (size_t i = 0; i < sizeof(stats.handle_count) / sizeof(stats.handle_count[0]); i++) sum += stats.handle_count[i];
  return sum;
}

static void handles(void) {
  say("handle_bad_handle");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(BAD));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_duplicate(BAD, ZX_RIGHT_SAME_RIGHTS, &h0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_replace(NONE, ZX_RIGHT_SAME_RIGHTS, &h0));
  OK(zx_handle_close(NONE));

  say("handle_duplicate_rights");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(event, ZX_RIGHT_READ, &h0));
  zx_handle_t poor = without(event, ZX_RIGHT_DUPLICATE);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_handle_duplicate(poor, ZX_RIGHT_SAME_RIGHTS, &h0));

  say("handle_replace_consumes_even_where_it_fails");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_replace(poor, ZX_RIGHT_DUPLICATE, &h0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(poor));

  say("handle_bad_out_pointer_leaves_no_handle");
  size_t before = handle_count();
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS, (zx_handle_t*)edge));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS, (zx_handle_t*)(edge - 2)));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS, (zx_handle_t*)readonly));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS, KERNEL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS, NONCANONICAL));
  TRUE(handle_count() == before);

  say("handle_close_many");
  zx_handle_t many[3] = {without(event, 0), BAD, without(event, 0)};
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close_many(many, 3));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(many[0]));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(many[2]));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_close_many(NOWHERE, 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_handle_close_many((zx_handle_t*)edge - 1, 2));
  OK(zx_handle_close_many(NULL, 0));
}

static void objects(void) {
  zx_signals_t seen = 0;
  say("object_wait_one");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_object_wait_one(BAD, 1, 0, NULL));
  zx_handle_t poor = without(event, ZX_RIGHT_WAIT);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_object_wait_one(poor, 1, 0, NULL));
  EXPECT(ZX_ERR_TIMED_OUT, zx_object_wait_one(event, ZX_USER_SIGNAL_0, 0, &seen));
  EXPECT(ZX_ERR_TIMED_OUT, zx_object_wait_one(event, ZX_USER_SIGNAL_0, zx_deadline_after(ZX_MSEC(1)), NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_wait_one(event, ZX_USER_SIGNAL_0, 0, NOWHERE));
  zx_handle_close(poor);

  say("object_wait_many");
  zx_wait_item_t item = {.handle = event, .waitfor = ZX_USER_SIGNAL_0};
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_object_wait_many(&item, ZX_WAIT_MANY_MAX_ITEMS + 1, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_wait_many(NOWHERE, 1, 0));
  EXPECT(ZX_ERR_TIMED_OUT, zx_object_wait_many(&item, 1, 0));
  EXPECT(ZX_ERR_TIMED_OUT, zx_object_wait_many(NULL, 0, 0));
  item.handle = BAD;
  EXPECT(ZX_ERR_BAD_HANDLE, zx_object_wait_many(&item, 1, 0));

  say("object_wait_async");
  zx_handle_t port;
  OK(zx_port_create(0, &port));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_wait_async(event, port, 0, 1, 0x80));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_object_wait_async(event, event, 0, 1, 0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_object_wait_async(BAD, port, 0, 1, 0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_object_wait_async(event, BAD, 0, 1, 0));
  zx_handle_close(port);

  say("object_signal");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_object_signal(BAD, 0, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_signal(event, 0, ZX_CHANNEL_WRITABLE));
  poor = without(event, ZX_RIGHT_SIGNAL);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_object_signal(poor, 0, ZX_USER_SIGNAL_0));
  zx_handle_close(poor);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_object_signal_peer(event, 0, ZX_USER_SIGNAL_0));

  say("object_get_info");
  zx_info_handle_basic_t info;
  size_t actual = 9, avail = 9;
  EXPECT(ZX_ERR_BAD_HANDLE, zx_object_get_info(BAD, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
  EXPECT(ZX_ERR_NOT_SUPPORTED, zx_object_get_info(event, 0x0fffffff, &info, sizeof(info), NULL, NULL));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_object_get_info(event, ZX_INFO_PROCESS, scratch, sizeof(scratch), NULL, NULL));
  EXPECT(ZX_ERR_BUFFER_TOO_SMALL, zx_object_get_info(event, ZX_INFO_HANDLE_BASIC, &info, 1, &actual, &avail));
  TRUE(actual == 0 && avail == 1);
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_get_info(event, ZX_INFO_HANDLE_BASIC, edge - 8, sizeof(info), NULL, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_get_info(event, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NOWHERE, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_get_info(event, ZX_INFO_HANDLE_BASIC, readonly, sizeof(info), NULL, NULL));

  say("object_property");
  EXPECT(ZX_ERR_NOT_SUPPORTED, zx_object_get_property(zx_process_self(), 0x7777, scratch, sizeof(scratch)));
  EXPECT(ZX_ERR_BUFFER_TOO_SMALL, zx_object_get_property(zx_process_self(), ZX_PROP_NAME, scratch, 31));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_get_property(zx_process_self(), ZX_PROP_NAME, NULL, 32));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_get_property(zx_process_self(), ZX_PROP_NAME, edge - 31, 32));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_object_set_property(zx_process_self(), ZX_PROP_NAME, NOWHERE, 4));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_object_get_property(zx_process_self(), ZX_PROP_SOCKET_RX_THRESHOLD, scratch, 8));

  say("object_get_child");
  EXPECT(ZX_ERR_NOT_FOUND, zx_object_get_child(zx_process_self(), 1, ZX_RIGHT_SAME_RIGHTS, &h0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_object_get_child(BAD, 1, ZX_RIGHT_SAME_RIGHTS, &h0));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_object_get_child(event, 1, ZX_RIGHT_SAME_RIGHTS, &h0));
}

static void channels(void) {
  uint32_t bytes = 9, count = 9;
  say("channel_create");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_create(1, &h0, &h1));
  size_t before = handle_count();
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_create(0, NULL, &h1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_create(0, &h0, (zx_handle_t*)readonly));
  TRUE(handle_count() == before);

  say("channel_read");
  EXPECT(ZX_ERR_SHOULD_WAIT, zx_channel_read(channel, 0, scratch, NULL, 8, 0, NULL, NULL));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_channel_read(BAD, 0, scratch, NULL, 8, 0, NULL, NULL));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_channel_read(event, 0, scratch, NULL, 8, 0, NULL, NULL));
  zx_handle_t poor, other;  // a channel's end cannot be duplicated
  OK(zx_channel_create(0, &poor, &other));
  OK(zx_handle_replace(poor, ZX_DEFAULT_CHANNEL_RIGHTS & ~ZX_RIGHT_READ, &poor));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_channel_read(poor, 0, scratch, NULL, 8, 0, NULL, NULL));
  EXPECT(ZX_ERR_NOT_SUPPORTED, zx_channel_read(channel, 8, scratch, NULL, 8, 0, NULL, NULL));
  OK(zx_channel_write(peer, 0, "hello", 5, NULL, 0));
  EXPECT(ZX_ERR_BUFFER_TOO_SMALL, zx_channel_read(channel, 0, scratch, NULL, 4, 0, &bytes, &count));
  TRUE(bytes == 5 && count == 0);
  OK(zx_channel_read(channel, 0, scratch, NULL, 5, 0, &bytes, NULL));
  TRUE(bytes == 5 && memcmp(scratch, "hello", 5) == 0);

  say("channel_read_bad_pointers");
  zx_handle_t sent = without(event, 0);
  OK(zx_channel_write(peer, 0, "hello", 5, &sent, 1));
  before = handle_count();
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_read(channel, 0, scratch, NOWHERE, 8, 4, NULL, NULL));
  TRUE(handle_count() == before);
  EXPECT(ZX_ERR_SHOULD_WAIT, zx_channel_read(channel, 0, scratch, NULL, 8, 0, NULL, NULL));

  say("channel_write");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_write(channel, 1, "x", 1, NULL, 0));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_channel_write(channel, 0, "x", ZX_CHANNEL_MAX_MSG_BYTES + 1, NULL, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_write(channel, 0, edge - 4, 8, NULL, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_write(channel, 0, NULL, 8, NULL, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_write(channel, 0, "x", 1, NOWHERE, 1));
  EXPECT(ZX_ERR_NOT_SUPPORTED, zx_channel_write(poor, 0, "x", 1, &poor, 1));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(poor));
  zx_handle_close(other);

  say("channel_write_consumes_its_handles_whatever_the_answer");
  zx_handle_t gone[2] = {without(event, 0), without(event, ZX_RIGHT_TRANSFER)};
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_channel_write(channel, 0, "x", 1, gone, 2));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(gone[0]));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(gone[1]));
  gone[0] = without(event, 0);
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_write(channel, 1, "x", 1, gone, 1));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(gone[0]));
  gone[0] = without(event, 0);
  EXPECT(ZX_ERR_BAD_HANDLE, zx_channel_write(BAD, 0, "x", 1, gone, 1));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(gone[0]));

  say("channel_call");
  zx_channel_call_args_t args = {.wr_bytes = scratch, .wr_num_bytes = 8, .rd_bytes = scratch, .rd_num_bytes = 8};
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_call(channel, 0, 0, NULL, &bytes, &count));
  EXPECT(ZX_ERR_TIMED_OUT, zx_channel_call(channel, 0, zx_deadline_after(ZX_MSEC(1)), &args, &bytes, &count));
  args.wr_num_bytes = 3;
  EXPECT(ZX_ERR_INVALID_ARGS, zx_channel_call(channel, 0, 0, &args, &bytes, &count));

  say("channel_peer_closed");
  zx_handle_t one;
  OK(zx_channel_create(0, &one, &other));
  OK(zx_handle_close(other));
  EXPECT(ZX_ERR_PEER_CLOSED, zx_channel_write(one, 0, "x", 1, NULL, 0));
  EXPECT(ZX_ERR_PEER_CLOSED, zx_channel_read(one, 0, scratch, NULL, 8, 0, NULL, NULL));
  OK(zx_handle_close(one));
}

static void sockets(void) {
  zx_handle_t one, other;
  size_t actual;
  say("socket_create");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_create(0x80, &h0, &h1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_create(0, &h0, NOWHERE));
  OK(zx_socket_create(0, &one, &other));

  say("socket_read_and_write");
  EXPECT(ZX_ERR_SHOULD_WAIT, zx_socket_read(one, 0, scratch, 8, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_read(one, 0x80, scratch, 8, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_read(one, 0, NULL, 8, &actual));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_socket_read(event, 0, scratch, 8, &actual));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_socket_write(BAD, 0, "x", 1, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_write(one, 1, "x", 1, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_write(one, 0, edge - 4, 8, &actual));
  OK(zx_socket_write(other, 0, "12345678", 8, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_read(one, 0, edge - 4, 8, &actual));
  OK(zx_socket_read(one, 0, scratch, 8, &actual));
  TRUE(actual == 8 && memcmp(scratch, "12345678", 8) == 0);  // the failed read took nothing

  say("socket_disposition");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_socket_set_disposition(one, 7, 0));
  OK(zx_socket_set_disposition(one, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
  EXPECT(ZX_ERR_BAD_STATE, zx_socket_write(one, 0, "x", 1, &actual));
  EXPECT(ZX_ERR_BAD_STATE, zx_socket_read(other, 0, scratch, 1, &actual));

  say("socket_peer_closed");
  OK(zx_handle_close(one));
  EXPECT(ZX_ERR_PEER_CLOSED, zx_socket_write(other, 0, "x", 1, &actual));
  EXPECT(ZX_ERR_PEER_CLOSED, zx_socket_read(other, 0, scratch, 1, &actual));
  OK(zx_handle_close(other));
}

static void fifos(void) {
  zx_handle_t one, other;
  size_t actual;
  say("fifo_create");
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_fifo_create(0, 8, 0, &h0, &h1));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_fifo_create(8, 0, 0, &h0, &h1));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_fifo_create(1024, 8, 0, &h0, &h1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_fifo_create(8, 8, 1, &h0, &h1));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_fifo_create(1ul << 63, 2, 0, &h0, &h1));
  OK(zx_fifo_create(2, 8, 0, &one, &other));

  say("fifo_read_and_write");
  EXPECT(ZX_ERR_SHOULD_WAIT, zx_fifo_read(one, 8, scratch, 1, &actual));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_fifo_read(one, 4, scratch, 1, &actual));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_fifo_write(one, 8, scratch, 0, &actual));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_fifo_write(event, 8, scratch, 1, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_fifo_write(one, 8, edge - 4, 1, &actual));
  OK(zx_fifo_write(one, 8, scratch, 3, &actual));
  TRUE(actual == 2);
  EXPECT(ZX_ERR_SHOULD_WAIT, zx_fifo_write(one, 8, scratch, 1, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_fifo_read(other, 8, readonly, 1, &actual));
  OK(zx_fifo_read(other, 8, scratch, 3, &actual));
  TRUE(actual == 2);

  say("fifo_peer_closed");
  OK(zx_handle_close(one));
  EXPECT(ZX_ERR_PEER_CLOSED, zx_fifo_write(other, 8, scratch, 1, &actual));
  EXPECT(ZX_ERR_PEER_CLOSED, zx_fifo_read(other, 8, scratch, 1, &actual));
  OK(zx_handle_close(other));
}

static void ports(void) {
  zx_handle_t port;
  zx_port_packet_t packet = {.key = 5};
  say("port_create");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_port_create(8, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_port_create(0, NOWHERE));
  OK(zx_port_create(0, &port));

  say("port_queue_and_wait");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_port_queue(BAD, &packet));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_port_queue(event, &packet));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_port_queue(port, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_port_queue(port, (void*)(edge - 8)));
  EXPECT(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &packet));
  EXPECT(ZX_ERR_TIMED_OUT, zx_port_wait(port, zx_deadline_after(ZX_MSEC(1)), &packet));
  zx_handle_t poor = without(port, ZX_RIGHT_READ);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_port_wait(poor, 0, &packet));
  zx_handle_close(poor);
  OK(zx_port_queue(port, &packet));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_port_wait(port, 0, (zx_port_packet_t*)readonly));

  say("port_cancel");
  EXPECT(ZX_ERR_NOT_FOUND, zx_port_cancel(port, event, 77));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_port_cancel(port, BAD, 77));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_port_cancel(event, event, 77));
  OK(zx_handle_close(port));
}

static void events_and_timers(void) {
  say("event_create");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_event_create(1, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_event_create(0, NULL));
  EXPECT(ZX_ERR_NOT_SUPPORTED, zx_eventpair_create(1, &h0, &h1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_eventpair_create(0, &h0, NULL));

  say("eventpair_peer_closed");
  zx_handle_t one, other;
  OK(zx_eventpair_create(0, &one, &other));
  OK(zx_handle_close(one));
  EXPECT(ZX_ERR_PEER_CLOSED, zx_object_signal_peer(other, 0, ZX_USER_SIGNAL_0));
  OK(zx_handle_close(other));

  say("timer");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_timer_create(7, ZX_CLOCK_MONOTONIC, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_timer_create(0, 9, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_timer_create(0, ZX_CLOCK_MONOTONIC, NOWHERE));
  OK(zx_timer_create(0, ZX_CLOCK_MONOTONIC, &one));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_timer_set(one, 0, -1));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_timer_set(event, 0, 0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_timer_cancel(BAD));
  other = without(one, ZX_RIGHT_WRITE);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_timer_set(other, 0, 0));
  zx_handle_close(other);
  zx_handle_close(one);
}

static void vmos(void) {
  zx_handle_t vmo;
  uint64_t size;
  say("vmo_create");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmo_create(PAGE, 0x80, &h0));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmo_create(UINT64_MAX, 0, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmo_create(PAGE, 0, NULL));
  OK(zx_vmo_create(PAGE, 0, &vmo));

  say("vmo_read_and_write");
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmo_read(vmo, scratch, PAGE, 1));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmo_write(vmo, scratch, UINT64_MAX, 2));
  EXPECT(ZX_ERR_NOT_FOUND, zx_vmo_read(vmo, NULL, 0, 1));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmo_read(vmo, readonly, 0, 1));
  EXPECT(ZX_ERR_NOT_FOUND, zx_vmo_write(vmo, edge - 4, 0, 8));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_vmo_read(event, scratch, 0, 1));
  zx_handle_t poor = without(vmo, ZX_RIGHT_WRITE);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmo_write(poor, scratch, 0, 1));
  zx_handle_close(poor);

  say("vmo_size");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmo_get_size(vmo, NULL));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_vmo_get_size(BAD, &size));
  EXPECT(ZX_ERR_UNAVAILABLE, zx_vmo_set_size(vmo, 2 * PAGE));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmo_set_stream_size(vmo, 2 * PAGE));

  say("vmo_op_range");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmo_op_range(vmo, 0x7777, 0, PAGE, NULL, 0));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 2 * PAGE, NULL, 0));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, 1ul << 60, NULL, 0));

  say("vmo_create_child");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmo_create_child(vmo, 0, 0, PAGE, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 1, PAGE, &h0));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, UINT64_MAX, &h0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_vmo_create_child(BAD, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, &h0));
  zx_handle_close(vmo);

  say("vmo_replace_as_executable_consumes");
  OK(zx_vmo_create(PAGE, 0, &vmo));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_vmo_replace_as_executable(vmo, event, &h0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(vmo));
}

static void vmars(void) {
  zx_handle_t vmo, poor;
  zx_vaddr_t address;
  OK(zx_vmo_create(PAGE, 0, &vmo));
  say("vmar_allocate");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(root, 0, 0, 0, &h0, &address));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(root, ZX_VM_PERM_READ, 0, PAGE, &h0, &address));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_vmar_allocate(vmo, 0, 0, PAGE, &h0, &address));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(root, 0, 0, PAGE, &h0, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(root, 0, 0, PAGE, NULL, &address));

  say("vmar_map");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_map(root, ZX_VM_PERM_READ, 0, vmo, 0, 0, &address));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_map(root, ZX_VM_PERM_READ, 0, vmo, 1, PAGE, &address));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_map(root, ZX_VM_PERM_WRITE, 0, vmo, 0, PAGE, &address));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE, &address));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_vmar_map(root, ZX_VM_PERM_READ, 0, event, 0, PAGE, &address));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_vmar_map(vmo, ZX_VM_PERM_READ, 0, vmo, 0, PAGE, &address));
  poor = without(vmo, ZX_RIGHT_MAP);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmar_map(root, ZX_VM_PERM_READ, 0, poor, 0, PAGE, &address));
  zx_handle_close(poor);
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_map(root, ZX_VM_PERM_READ, 0, vmo, 0, PAGE, (zx_vaddr_t*)readonly));

  say("vmar_unmap_and_protect");
  OK(zx_vmar_map(root, RW, 0, vmo, 0, PAGE, &address));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(root, address + 1, PAGE));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(root, address, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_vmar_protect(root, ZX_VM_PERM_WRITE, address, PAGE));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(root, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, address, PAGE));
  OK(zx_vmar_unmap(root, address, PAGE));
  EXPECT(ZX_ERR_NOT_FOUND, zx_vmar_protect(root, ZX_VM_PERM_READ, address, PAGE));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_vmar_destroy(BAD));
  zx_handle_close(vmo);

  say("vmar_the_vdso_stays");
  zx_vaddr_t vdso = 0;
  OK(zx_object_get_property(zx_process_self(), ZX_PROP_PROCESS_VDSO_BASE_ADDRESS, &vdso, sizeof(vdso)));
  zx_vaddr_t code = ((zx_vaddr_t)vdso + jx_vdso_offset("zx_nanosleep")) & -PAGE;
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(root, code, PAGE));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(root, ZX_VM_PERM_READ, code, PAGE));
}

static void futexes(void) {
  zx_futex_t word = 1, second = 0;
  zx_koid_t koid;
  say("futex_wait");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_wait(NULL, 1, NONE, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_wait((zx_futex_t*)((char*)&word + 1), 1, NONE, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_wait(NOWHERE, 1, NONE, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_wait(KERNEL, 1, NONE, 0));
  EXPECT(ZX_ERR_BAD_STATE, zx_futex_wait(&word, 2, NONE, 0));
  EXPECT(ZX_ERR_TIMED_OUT, zx_futex_wait(&word, 1, NONE, 0));
  EXPECT(ZX_ERR_TIMED_OUT, zx_futex_wait(&word, 1, NONE, zx_deadline_after(ZX_MSEC(1))));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_futex_wait(&word, 1, BAD, 0));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_futex_wait(&word, 1, event, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_wait(&word, 1, zx_thread_self(), 0));

  say("futex_wake_and_requeue");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_wake(NULL, 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_wake((zx_futex_t*)((char*)&word + 2), 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_requeue(&word, 1, 1, &word, 1, NONE));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_requeue(&word, 1, 1, NULL, 1, NONE));
  EXPECT(ZX_ERR_BAD_STATE, zx_futex_requeue(&word, 1, 2, &second, 1, NONE));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_futex_requeue(&word, 1, 1, &second, 1, BAD));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_get_owner(NULL, &koid));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_futex_get_owner(&word, (zx_koid_t*)readonly));
}

static void tasks(void) {
  zx_handle_t thread, process, vmar, poor;
  size_t actual;
  say("thread_create");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_create(zx_process_self(), "t", 1, 1, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_create(zx_process_self(), NOWHERE, 1, 0, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_create(zx_process_self(), "t", 1, 0, NULL));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_thread_create(job, "t", 1, 0, &h0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_thread_create(NONE, "t", 1, 0, &h0));

  say("thread_start");
  OK(zx_thread_create(zx_process_self(), "t", 1, 0, &thread));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_start(thread, 1ul << 47, 0, 0, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_start_regs(thread, 0, 0, 0, 0, 1ul << 48, 0));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_thread_start(event, 0, 0, 0, 0));
  EXPECT(ZX_ERR_BAD_STATE, zx_thread_start(zx_thread_self(), 0, 0, 0, 0));
  poor = without(thread, ZX_RIGHT_MANAGE_THREAD);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_thread_start(poor, 0, 0, 0, 0));
  zx_handle_close(poor);

  say("thread_state");
  EXPECT(ZX_ERR_BAD_STATE, zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, scratch, sizeof(scratch)));
  EXPECT(ZX_ERR_BUFFER_TOO_SMALL, zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, scratch, 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_read_state(thread, 0x777, scratch, sizeof(scratch)));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_thread_write_state(BAD, 0, scratch, sizeof(scratch)));
  zx_handle_close(thread);

  say("thread_legacy_yield");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_legacy_yield(1));

  say("process_create");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create(job, "p", 1, 0x80, &h0, &h1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create(job, NOWHERE, 1, 0, &h0, &h1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create(job, "p", 1, 0, &h0, NULL));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_process_create(NONE, "p", 1, 0, &h0, &h1));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_process_create(event, "p", 1, 0, &h0, &h1));
  poor = without(job, ZX_RIGHT_MANAGE_PROCESS);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_process_create(poor, "p", 1, 0, &h0, &h1));
  zx_handle_close(poor);
  OK(zx_process_create(job, "p", 1, 0, &process, &vmar));

  say("process_start");
  OK(zx_thread_create(process, "t", 1, 0, &thread));
  zx_handle_t argument = without(event, 0);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_process_start(zx_process_self(), thread, 0, 0, argument, 0));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(argument));  // it is gone whatever the answer
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_start(process, thread, 1ul << 47, 0, NONE, 0));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_process_start(process, event, 0, 0, NONE, 0));

  say("process_memory");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_read_memory(process, 0, NULL, 1, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_read_memory(process, 0, scratch, 0, &actual));
  EXPECT(ZX_ERR_NOT_FOUND, zx_process_read_memory(process, 0x1000, scratch, 1, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_read_memory(zx_process_self(), (zx_vaddr_t)scratch, readonly, 1, &actual));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_process_write_memory(job, 0x1000, scratch, 1, &actual));

  say("task_kill_and_suspend");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_task_kill(BAD));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_task_kill(event));
  poor = without(process, ZX_RIGHT_DESTROY);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_task_kill(poor));
  zx_handle_close(poor);
  EXPECT(ZX_ERR_INVALID_ARGS, zx_task_suspend(thread, NULL));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_task_suspend(channel, &h0));
  OK(zx_task_kill(process));
  EXPECT(ZX_ERR_BAD_STATE, zx_process_start(process, thread, 0, 0, NONE, 0));
  EXPECT(ZX_ERR_BAD_STATE, zx_process_read_memory(process, 0x1000, scratch, 1, &actual));
  zx_handle_close(process);
  zx_handle_close(vmar);
  zx_handle_close(thread);

  say("job_set_policy");
  zx_handle_t child;
  OK(zx_job_create(job, 0, &child));
  zx_policy_basic_v2_t policies[] = {{ZX_POL_NEW_EVENT, ZX_POL_ACTION_DENY, ZX_POL_OVERRIDE_DENY}};
  uint32_t size = 1;
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_set_policy(child, 9, ZX_JOB_POL_BASIC_V2, policies, size));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_set_policy(child, ZX_JOB_POL_RELATIVE, 77, policies, size));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_set_policy(child, ZX_JOB_POL_RELATIVE, ZX_JOB_POL_BASIC_V2, NULL, size));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_set_policy(child, ZX_JOB_POL_RELATIVE, ZX_JOB_POL_BASIC_V2, NOWHERE, size));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_job_set_policy(event, ZX_JOB_POL_RELATIVE, ZX_JOB_POL_BASIC_V2, policies, size));
  poor = without(child, ZX_RIGHT_SET_POLICY);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_job_set_policy(poor, ZX_JOB_POL_RELATIVE, ZX_JOB_POL_BASIC_V2, policies, size));
  zx_handle_close(poor);
  zx_handle_close(child);
}

static void others(void) {
  say("clock_nanosleep");
  OK(zx_nanosleep(0));
  OK(zx_nanosleep(ZX_TIME_INFINITE_PAST));
  OK(zx_nanosleep(zx_deadline_after(ZX_MSEC(1))));

  say("cprng");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_cprng_add_entropy(scratch, ZX_CPRNG_ADD_ENTROPY_MAX_LEN + 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_cprng_add_entropy(NOWHERE, 8));
  zx_cprng_draw(scratch, sizeof(scratch));

  say("debuglog");
  zx_handle_t log;
  EXPECT(ZX_ERR_BAD_HANDLE, zx_debuglog_create(NONE, ZX_LOG_FLAG_READABLE, &h0));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_debuglog_create(event, 0, &h0));
  zx_handle_t resource = zx_take_startup_handle(PA_HND(PA_RESOURCE, 0));
  TRUE(resource != NONE);
  OK(zx_debuglog_create(resource, ZX_LOG_FLAG_READABLE, &log));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_debuglog_create(resource, 1, &h0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_debuglog_write(log, 0x10000, "x", 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_debuglog_write(log, 0, NOWHERE, 1));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_debuglog_write(event, 0, "x", 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_debuglog_read(log, 1, scratch, sizeof(scratch)));
  zx_handle_close(log);
  zx_handle_close(resource);

  say("debug_write");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_debug_write(NOWHERE, 4));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_debug_write(edge - 4, 8));
}

int main(void) {
  say("the_world");
  root = zx_vmar_root_self();
  OK(zx_event_create(0, &event));
  OK(zx_channel_create(0, &channel, &peer));
  OK(zx_job_create(zx_job_default(), 0, &job));
  // A page, one that cannot be written to, and around both of them nothing.
  zx_handle_t region, vmo;
  zx_vaddr_t base, address;
  OK(zx_vmar_allocate(root, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC, 0, 8 * PAGE, &region, &base));
  OK(zx_vmo_create(PAGE, 0, &vmo));
  OK(zx_vmar_map(region, ZX_VM_SPECIFIC | RW, PAGE, vmo, 0, PAGE, &address));
  OK(zx_vmar_map(region, ZX_VM_SPECIFIC | ZX_VM_PERM_READ, 4 * PAGE, vmo, 0, PAGE, &address));
  edge = (char*)base + 2 * PAGE;
  readonly = (char*)base + 4 * PAGE;
  size_t before = handle_count();

  handles();
  objects();
  channels();
  sockets();
  fifos();
  ports();
  events_and_timers();
  vmos();
  vmars();
  futexes();
  tasks();
  others();

  say("no_failed_call_leaves_a_handle");
  TRUE(handle_count() == before - 1);  // the resource was taken and closed
  say(NULL);
  return 0;
}
