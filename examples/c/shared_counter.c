// Two processes that share half of their address space.
//
// A prototype made with ZX_PROCESS_SHARED holds what they have in common: the upper half of the address space, and the handle table.
// zx_process_create_shared makes two processes from it. Each counts in a page of the shared half, which both see, and in a page at
// the same address of its restricted half, which is its own.

#include <jacinth.h>
#include <stdint.h>
#include <string.h>
#include <zircon/process.h>

#include "check.h"

#define PAGE 4096ul
#define PRIVATE_ADDRESS 0x10000000ul
#define ROUNDS 1000

// At the start of the shared page.
struct shared {
  uint64_t counter;
  void (*thread_exit)(void);
  zx_status_t (*yield)(uint32_t);
};

// What a counting thread is given: where the shared page is, and which process it is.
struct worker {
  struct shared* shared;
  uint64_t number;
  uint64_t private_seen;
};

// Runs in both processes, copied into the shared half, where it is linked to nothing: it knows only its arguments.
__attribute__((section("shared_code"), noinline, used)) static void count(zx_handle_t unused, struct worker* self) {
  (void)unused;
  volatile uint64_t* private_count = (volatile uint64_t*)PRIVATE_ADDRESS;
  for (int i = 0; i < ROUNDS; i++) {
    __atomic_fetch_add(&self->shared->counter, 1, __ATOMIC_SEQ_CST);
    *private_count += self->number;
    if (i % 100 == 0) self->shared->yield(0);
  }
  self->private_seen = *private_count;
  self->shared->thread_exit();
}
extern const char __start_shared_code[], __stop_shared_code[];

static zx_vaddr_t map(zx_handle_t vmar, zx_vm_option_t options, uint64_t offset, zx_handle_t vmo, uint64_t size) {
  zx_vaddr_t address;
  CHECK(zx_vmar_map(vmar, options, offset, vmo, 0, size, &address));
  return address;
}

int main(void) {
  zx_handle_t prototype, shared_vmar;
  CHECK(zx_process_create(zx_job_default(), "prototype", 9, ZX_PROCESS_SHARED, &prototype, &shared_vmar));

  // The shared half: the vDSO, the code, a page for data, which this program maps too, and room for stacks.
  zx_vaddr_t vdso;
  CHECK(jx_vdso_map(shared_vmar, &vdso));
  zx_handle_t code_vmo, data_vmo, stack_vmo;
  CHECK(zx_vmo_create(PAGE, 0, &code_vmo));
  CHECK(zx_vmo_write(code_vmo, __start_shared_code, 0, (size_t)(__stop_shared_code - __start_shared_code)));
  CHECK(zx_vmo_replace_as_executable(code_vmo, ZX_HANDLE_INVALID, &code_vmo));
  zx_vaddr_t code = map(shared_vmar, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, code_vmo, PAGE);
  CHECK(zx_vmo_create(PAGE, 0, &data_vmo));
  zx_vaddr_t data = map(shared_vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, data_vmo, PAGE);
  struct shared* shared = (struct shared*)map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, data_vmo, PAGE);
  struct worker* workers = (struct worker*)(shared + 1);
  CHECK(zx_vmo_create(2 * PAGE, 0, &stack_vmo));
  zx_vaddr_t stacks = map(shared_vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, stack_vmo, 2 * PAGE);
  shared->thread_exit = (void (*)(void))(vdso + jx_vdso_offset("zx_thread_exit"));
  shared->yield = (zx_status_t(*)(uint32_t))(vdso + jx_vdso_offset("zx_thread_legacy_yield"));

  zx_handle_t processes[2];
  for (uint64_t i = 0; i < 2; i++) {
    const char* name = i == 0 ? "one" : "two";
    zx_handle_t restricted_vmar, thread, private_vmo;
    CHECK(zx_process_create_shared(prototype, 0, name, 3, &processes[i], &restricted_vmar));
    // The same address in both restricted halves, and different memory.
    zx_info_vmar_t info;
    CHECK(zx_object_get_info(restricted_vmar, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
    CHECK(zx_vmo_create(PAGE, 0, &private_vmo));
    map(restricted_vmar, ZX_VM_SPECIFIC | ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, PRIVATE_ADDRESS - info.base, private_vmo, PAGE);
    zx_handle_close(private_vmo);
    zx_handle_close(restricted_vmar);

    workers[i] = (struct worker){.shared = (struct shared*)data, .number = i + 1};
    zx_vaddr_t worker = data + (zx_vaddr_t)((char*)&workers[i] - (char*)shared);
    CHECK(zx_thread_create(processes[i], "counter", 7, 0, &thread));
    CHECK(zx_process_start(processes[i], thread, code, stacks + (i + 1) * PAGE - 8, ZX_HANDLE_INVALID, worker));
    zx_handle_close(thread);
  }
  for (int i = 0; i < 2; i++) CHECK(zx_object_wait_one(processes[i], ZX_TASK_TERMINATED, ZX_TIME_INFINITE, NULL));

  printf("shared counter, in the %s half: %lu\n", data >> 46 ? "upper" : "lower", shared->counter);
  for (int i = 0; i < 2; i++) {
    printf("process %d sees %lu at its private %#lx\n", i + 1, workers[i].private_seen, PRIVATE_ADDRESS);
  }
  return 0;
}
