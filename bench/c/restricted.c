// Restricted mode against the null system call, timed by one thread of a process with a restricted part: ROUNDS; prints the
// nanoseconds of the calls, of the round trips through restricted mode, and of those through an exception of it.

#include <inttypes.h>
#include <jacinth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zircon/process.h>
#include <zircon/syscalls-next.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/restricted.h>

#define PAGE 4096ul
#define CHECK(call)                                                     \
  do {                                                                  \
    zx_status_t checked = (call);                                       \
    if (checked != ZX_OK) printf("%s: %d\n", #call, checked), exit(1);  \
  } while (0)

// What the thread finds in its page, and leaves there. The machine code below knows the places.
typedef struct {
  uint64_t rounds;                   // 0x00
  uint64_t times[4];                 // 0x08
  zx_vaddr_t handle_close;           // 0x28
  zx_vaddr_t bind_state;             // 0x30
  zx_vaddr_t vmo_write;              // 0x38
  zx_vaddr_t enter;                  // 0x40
  zx_vaddr_t clock;                  // 0x48
  zx_vaddr_t process_exit;           // 0x50
  uint64_t vmo;                      // 0x58
  zx_vaddr_t undefined;              // 0x60
  zx_restricted_state_t state;       // 0x68
} page_t;

extern const char normal[], normal_end[], restricted[], restricted_end[], undefined[];

__asm__(
    ".pushsection .rodata\n"
    ".intel_syntax noprefix\n"
    "normal:\n"
    "  mov rbx, rsi\n"
    "  xor edi, edi\n"
    "  lea rsi, [rbx + 0x58]\n"
    "  xor edx, edx\n"
    "  call [rbx + 0x30]\n"  // bind_state
    "  call 9f\n"
    "  call [rbx + 0x48]\n"
    "  mov [rbx + 0x08], rax\n"
    "  mov r12, [rbx]\n"
    "1:\n"
    "  xor edi, edi\n"
    "  call [rbx + 0x28]\n"  // handle_close
    "  dec r12\n"
    "  jnz 1b\n"
    "  call [rbx + 0x48]\n"
    "  mov [rbx + 0x10], rax\n"
    "  mov r12, [rbx]\n"
    "  mov r13, rbx\n"
    "  lea r14, [rip + 2f]\n"
    "  jmp 3f\n"
    "2:\n"                     // comes here from restricted mode
    "  mov rbx, rdi\n"
    "  dec qword ptr [rbx]\n"
    "  jz 4f\n"
    "  lea r14, [rip + 2b]\n"
    "3:\n"
    "  lea rsp, [rbx + 0x1000]\n"
    "  xor edi, edi\n"
    "  mov rsi, r14\n"
    "  mov rdx, rbx\n"
    "  call [rbx + 0x40]\n"  // enter
    "  ud2\n"
    "4:\n"
    "  lea rsp, [rbx + 0x1000]\n"
    "  call [rbx + 0x48]\n"
    "  mov [rbx + 0x18], rax\n"
    "  mov rax, [rbx + 0x60]\n"  // the same with an undefined instruction
    "  mov [rbx + 0x68 + 16 * 8], rax\n"
    "  call 9f\n"
    "  mov qword ptr [rbx], 10000\n"
    "  lea r14, [rip + 5f]\n"
    "  jmp 3b\n"
    "5:\n"
    "  mov rbx, rdi\n"
    "  lea r14, [rip + 5b]\n"
    "  dec qword ptr [rbx]\n"
    "  jnz 3b\n"
    "  lea rsp, [rbx + 0x1000]\n"
    "  call [rbx + 0x48]\n"
    "  mov [rbx + 0x20], rax\n"
    "  xor edi, edi\n"
    "  call [rbx + 0x50]\n"
    "9:\n"
    "  mov edi, [rbx + 0x58]\n"
    "  lea rsi, [rbx + 0x68]\n"
    "  xor edx, edx\n"
    "  mov ecx, 160\n"
    "  jmp [rbx + 0x38]\n"  // vmo_write
    "normal_end:\n"
    "restricted:\n"
    "  syscall\n"
    "  jmp restricted\n"
    "undefined:\n"
    "  ud2\n"
    "restricted_end:\n"
    ".att_syntax\n"
    ".popsection\n");

static zx_vaddr_t map(zx_handle_t vmar, zx_handle_t vmo, zx_vm_option_t options) {
  zx_vaddr_t address;
  CHECK(zx_vmar_map(vmar, options, 0, vmo, 0, PAGE, &address));
  return address;
}

static zx_vaddr_t map_code(zx_handle_t vmar, const char* code, const char* end) {
  zx_handle_t vmo;
  CHECK(zx_vmo_create(PAGE, 0, &vmo));
  CHECK(zx_vmo_write(vmo, code, 0, end - code));
  CHECK(zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo));
  return map(vmar, vmo, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  uint64_t rounds = strtoul(argv[1], NULL, 10);
  zx_handle_t prototype, shared_vmar, process, restricted_vmar, thread, vmo;
  CHECK(zx_process_create(zx_job_default(), "shared", 6, ZX_PROCESS_SHARED, &prototype, &shared_vmar));
  CHECK(zx_process_create_shared(prototype, 0, "restricted", 10, &process, &restricted_vmar));
  zx_vaddr_t vdso;
  jx_vdso_map(shared_vmar, &vdso);
  zx_vaddr_t inside = map_code(restricted_vmar, restricted, restricted_end);
  CHECK(zx_vmo_create(PAGE, 0, &vmo));
  zx_vaddr_t there = map(shared_vmar, vmo, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE);
  page_t* page = (page_t*)map(zx_vmar_root_self(), vmo, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE);
  *page = (page_t){
      .rounds = rounds,
      .handle_close = vdso + jx_vdso_offset("zx_handle_close"),
      .bind_state = vdso + jx_vdso_offset("zx_restricted_bind_state"),
      .vmo_write = vdso + jx_vdso_offset("zx_vmo_write"),
      .enter = vdso + jx_vdso_offset("zx_restricted_enter"),
      .clock = vdso + jx_vdso_offset("zx_clock_get_monotonic"),
      .process_exit = vdso + jx_vdso_offset("zx_process_exit"),
      .undefined = inside + (undefined - restricted),
      .state = {.ip = inside},
  };
  zx_vaddr_t code = map_code(shared_vmar, normal, normal_end);
  CHECK(zx_thread_create(process, "restricted", 10, 0, &thread));
  CHECK(zx_process_start(process, thread, code, there + PAGE, ZX_HANDLE_INVALID, there));
  CHECK(zx_object_wait_one(process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE, NULL));
  printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", (page->times[1] - page->times[0]) / rounds,
         (page->times[2] - page->times[1]) / rounds, (page->times[3] - page->times[2]) / 10000);
  return 0;
}
