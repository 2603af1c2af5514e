// A program that pages its own memory: one of its threads supplies what the others touch.

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls-next.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/port.h>

#define PAGE 4096
#define PAGES 16

static zx_handle_t pager, port, vmo, aux;
static int reads, dirties;

static int serve(void* argument) {
  (void)argument;
  for (;;) {
    zx_port_packet_t packet;
    if (zx_port_wait(port, ZX_TIME_INFINITE, &packet) != ZX_OK) return 1;
    if (packet.type != ZX_PKT_TYPE_PAGE_REQUEST || packet.key != 5) return 2;
    zx_packet_page_request_t* request = &packet.page_request;
    uint64_t end = request->offset + request->length;
    switch (request->command) {
      case ZX_PAGER_VMO_READ:
        reads++;
        if (request->offset == 15 * PAGE) {  // this one is broken
          zx_pager_op_range(pager, ZX_PAGER_OP_FAIL, vmo, request->offset, request->length,
                            (uint64_t)(int64_t)ZX_ERR_IO_DATA_INTEGRITY);
          break;
        }
        for (uint64_t at = request->offset; at < end; at += PAGE) {
          char text[32];
          int length = snprintf(text, sizeof(text), "page %d", (int)(at / PAGE));
          zx_vmo_write(aux, text, at, length + 1);
        }
        zx_pager_supply_pages(pager, vmo, request->offset, request->length, aux, request->offset);
        break;
      case ZX_PAGER_VMO_DIRTY:
        dirties++;
        zx_pager_op_range(pager, ZX_PAGER_OP_DIRTY, vmo, request->offset, request->length, 0);
        break;
      case ZX_PAGER_VMO_COMPLETE:
        return 0;
    }
  }
}

static void report(zx_handle_t channel) {
  zx_signals_t seen;
  zx_exception_info_t info;
  zx_handle_t exception, thread;
  zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, &seen);
  zx_channel_read(channel, 0, &info, &exception, sizeof(info), 1, NULL, NULL);
  zx_exception_get_thread(exception, &thread);
  zx_exception_report_t found;
  zx_object_get_info(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, &found, sizeof(found), NULL, NULL);
  printf("exception %#x, status %d\n", info.type, (int)found.context.synth_code);
  uint32_t state = ZX_EXCEPTION_STATE_THREAD_EXIT;
  zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, &state, sizeof(state));
  zx_handle_close(thread);
  zx_handle_close(exception);
}

static int touch(void* address) {
  return *(volatile char*)address;
}

int main(void) {
  zx_pager_create(0, &pager);
  zx_port_create(0, &port);
  zx_vmo_create(PAGES * PAGE, 0, &aux);
  zx_status_t status = zx_pager_create_vmo(pager, ZX_VMO_TRAP_DIRTY, port, 5, PAGES * PAGE, &vmo);
  if (status != ZX_OK) return 1;
  zx_vaddr_t address;
  status = zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, PAGES * PAGE, &address);
  if (status != ZX_OK) return 2;
  thrd_t server;
  if (thrd_create(&server, serve, NULL) != thrd_success) return 3;
  char* memory = (char*)address;

  // Loads and stores.
  printf("load: %s\n", memory + 3 * PAGE);
  strcpy(memory + 4 * PAGE, "stored");
  printf("store: %s, %d reads, %d dirties\n", memory + 4 * PAGE, reads, dirties);

  // Pointers of system calls: in, out, and of calls that wait.
  zx_handle_t one, other;
  zx_channel_create(0, &one, &other);
  status = zx_channel_write(one, 0, memory + 6 * PAGE - 2, 8, NULL, 0);  // over two absent pages
  char back[8];
  uint32_t count = 0;
  zx_channel_read(other, 0, back, NULL, sizeof(back), 0, &count, NULL);
  printf("in: %d, %u bytes, %.6s\n", status, count, back + 2);

  zx_channel_write(one, 0, "message", 8, NULL, 0);
  status = zx_channel_read(other, 0, memory + 7 * PAGE, NULL, 8, 0, (uint32_t*)(memory + 8 * PAGE), NULL);
  printf("out: %d, %u bytes, %s\n", status, *(uint32_t*)(memory + 8 * PAGE), memory + 7 * PAGE);

  zx_handle_t* made = (zx_handle_t*)(memory + 9 * PAGE);
  status = zx_event_create(0, made);
  printf("handle: %d, closes with %d\n", status, zx_handle_close(*made));

  zx_signals_t* signals = (zx_signals_t*)(memory + 10 * PAGE);
  status = zx_object_wait_one(one, ZX_CHANNEL_WRITABLE, ZX_TIME_INFINITE, signals);
  printf("wait: %d, %s\n", status, *signals & ZX_CHANNEL_WRITABLE ? "writable" : "nothing");

  zx_futex_t* futex = (zx_futex_t*)(memory + 11 * PAGE);
  status = zx_futex_wait(futex, 1, ZX_HANDLE_INVALID, ZX_TIME_INFINITE);
  printf("futex: %d\n", status);

  // What cannot be supplied.
  zx_handle_t exceptions;
  zx_task_create_exception_channel(zx_process_self(), 0, &exceptions);
  printf("broken: write %d\n", zx_channel_write(one, 0, memory + 15 * PAGE, 8, NULL, 0));
  printf("broken: read %d\n", zx_vmo_read(vmo, back, 15 * PAGE, 8));
  zx_channel_write(one, 0, "message", 8, NULL, 0);
  printf("broken: out %d\n", zx_channel_read(other, 0, memory + 15 * PAGE, NULL, 8, 0, NULL, NULL));
  thrd_t toucher;
  thrd_create(&toucher, touch, memory + 15 * PAGE);
  report(exceptions);

  zx_pager_detach_vmo(pager, vmo);
  int result;
  thrd_join(server, &result);
  printf("served: %d\n", result);
  zx_vmo_dirty_range_t ranges[4];
  size_t actual, avail;
  zx_pager_query_dirty_ranges(pager, vmo, 0, PAGES * PAGE, ranges, sizeof(ranges), &actual, &avail);
  for (size_t i = 0; i < actual; i++) printf("dirty: %d for %d\n", (int)(ranges[i].offset / PAGE), (int)(ranges[i].length / PAGE));
  return 0;
}
