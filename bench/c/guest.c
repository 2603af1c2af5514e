// What a guest can time by itself: WHAT ROUNDS; prints the nanoseconds it took.

#include <inttypes.h>
#include <jacinth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/port.h>

#include "compute.h"

#define PAGE 4096ul

static void null_syscall(uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; i++) zx_handle_close(ZX_HANDLE_INVALID);
}

static void duplicate_close(uint64_t rounds) {
  zx_handle_t event, copy;
  zx_event_create(0, &event);
  for (uint64_t i = 0; i < rounds; i++) {
    zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS, &copy);
    zx_handle_close(copy);
  }
}

static void first_touch(uint64_t rounds) {
  zx_handle_t vmo;
  zx_vaddr_t base = 0;
  zx_vmo_create(rounds * PAGE, 0, &vmo);
  zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, rounds * PAGE, &base);
  for (uint64_t i = 0; i < rounds; i++) *(volatile char*)(base + i * PAGE) = 1;
}

static zx_handle_t pager, port, paged, supply;

static int serve(void* argument) {
  (void)argument;
  for (;;) {
    zx_port_packet_t packet;
    zx_port_wait(port, ZX_TIME_INFINITE, &packet);
    if (packet.page_request.command != ZX_PAGER_VMO_READ) return 0;
    zx_pager_supply_pages(pager, paged, packet.page_request.offset, packet.page_request.length, supply, 0);
  }
}

// Every load waits for a page that another thread of the program supplies.
static void start_pager(uint64_t rounds) {
  zx_pager_create(0, &pager);
  zx_port_create(0, &port);
  zx_pager_create_vmo(pager, 0, port, 0, rounds * PAGE, &paged);
  zx_vmo_create(PAGE, 0, &supply);
  thrd_t server;
  thrd_create(&server, serve, NULL);
}

static void paged_loads(uint64_t rounds) {
  zx_vaddr_t base = 0;
  zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, paged, 0, rounds * PAGE, &base);
  for (uint64_t i = 0; i < rounds; i++) (void)*(volatile char*)(base + i * PAGE);
}

// A thread of another process that yields for ever.
static void start_yielder(void) {
  zx_handle_t process, vmar, thread, vmo;
  zx_vaddr_t vdso, code;
  zx_process_create(zx_job_default(), "yielder", 7, 0, &process, &vmar);
  jx_vdso_map(vmar, &vdso);
  // mov rbx, yield; again: xor edi, edi; call rbx; jmp again
  unsigned char body[16] = {0x48, 0xbb};
  zx_vaddr_t yield = vdso + jx_vdso_offset("zx_thread_legacy_yield");
  memcpy(body + 2, &yield, 8);
  memcpy(body + 10, "\x31\xff\xff\xd3\xeb\xfa", 6);
  zx_vmo_create(2 * PAGE, 0, &vmo);
  zx_vmo_write(vmo, body, 0, sizeof(body));
  zx_handle_t stack;
  zx_vaddr_t top;
  zx_vmo_create(PAGE, 0, &stack);
  zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, stack, 0, PAGE, &top);
  zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo);
  zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, 2 * PAGE, &code);
  zx_thread_create(process, "yield", 5, 0, &thread);
  zx_process_start(process, thread, code, top + PAGE, ZX_HANDLE_INVALID, 0);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const char* what = argv[1];
  uint64_t rounds = strtoul(argv[2], NULL, 10);
  if (strcmp(what, "switch") == 0) start_yielder();
  if (strcmp(what, "pager") == 0) start_pager(rounds);
  zx_time_t start = zx_clock_get_monotonic();
  if (strcmp(what, "null") == 0) null_syscall(rounds);
  if (strcmp(what, "duplicate") == 0) duplicate_close(rounds);
  if (strcmp(what, "touch") == 0) first_touch(rounds);
  if (strcmp(what, "pager") == 0) paged_loads(rounds);
  if (strcmp(what, "switch") == 0) {
    for (uint64_t i = 0; i < rounds; i++) zx_thread_legacy_yield(0);
  }
  if (strcmp(what, "integer") == 0) {
    volatile uint64_t result = compute(0, rounds);
    (void)result;
  }
  if (strcmp(what, "sha256") == 0) {
    volatile uint64_t result = compute(1, rounds);
    (void)result;
  }
  printf("%" PRId64 "\n", zx_clock_get_monotonic() - start);
  return 0;
}
