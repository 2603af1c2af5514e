// Restricted mode by a C program: the same sentences as the calls' pages, and services for restricted code. The process has no
// restricted part, so that restricted code is a function of the program, with a stack of its own.

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls-next.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/restricted.h>
#include <zircon/threads.h>

#include "sentences.h"

// What the vector has found: all registers but the stack pointer. The first are rdi and rsi.
uint64_t seen[15];
uint64_t normal_sp;

// Enters restricted mode. Answers why it was left, or an error.
int64_t enter(uint64_t context);
void vector(void);

__asm__(
    ".intel_syntax noprefix\n"
    ".text\n"
    "enter:\n"
    "  push rbx\n  push rbp\n  push r12\n  push r13\n  push r14\n  push r15\n"
    "  mov [rip + normal_sp], rsp\n"
    "  sub rsp, 8\n"
    "  mov rdx, rdi\n"
    "  xor edi, edi\n"
    "  lea rsi, [rip + vector]\n"
    "  call zx_restricted_enter@PLT\n"
    "  movsxd rax, eax\n"
    "  add rsp, 8\n"
    "1:\n"
    "  pop r15\n  pop r14\n  pop r13\n  pop r12\n  pop rbp\n  pop rbx\n"
    "  ret\n"
    "vector:\n"
    "  mov [rip + seen], rdi\n"
    "  mov [rip + seen + 8], rsi\n"
    "  mov [rip + seen + 16], rax\n"
    "  mov [rip + seen + 24], rbx\n"
    "  mov [rip + seen + 32], rcx\n"
    "  mov [rip + seen + 40], rdx\n"
    "  mov [rip + seen + 48], rbp\n"
    "  mov [rip + seen + 56], r8\n"
    "  mov [rip + seen + 64], r9\n"
    "  mov [rip + seen + 72], r10\n"
    "  mov [rip + seen + 80], r11\n"
    "  mov [rip + seen + 88], r12\n"
    "  mov [rip + seen + 96], r13\n"
    "  mov [rip + seen + 104], r14\n"
    "  mov [rip + seen + 112], r15\n"
    "  mov rax, rsi\n"
    "  mov rsp, [rip + normal_sp]\n"
    "  jmp 1b\n"
    ".att_syntax\n");

// ---- Restricted code. It asks for services with the number in rax and an argument in rdi.

static uint64_t ask(uint64_t service, uint64_t argument) {
  uint64_t result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(service), "D"(argument) : "rcx", "r11", "memory");
  return result;
}

enum { GET = 1, PUT = 2, END = 3 };

static void sum_of_numbers(void) {
  uint64_t sum = 0, next;
  while ((next = ask(GET, 0)) != 0) sum += next;
  ask(PUT, sum);
  for (;;) ask(END, 0);
}

static void undefined(void) { __asm__ volatile("ud2"); }

static void load_from_nowhere(void) { __asm__ volatile("mov (%0), %%rax" : : "r"(0x18UL) : "rax"); }

static volatile bool running;

static void spin(void) {
  running = true;
  for (;;) __asm__ volatile("");
}

static void bump_xmm7(void) {
  __asm__ volatile("paddq %xmm7, %xmm7; syscall");
}

static void look_at_bases(void) {
  __asm__ volatile("mov %fs:0, %rbx; mov %gs:0, %r12; syscall");
}

// ---- The program

static char restricted_stack[16384] __attribute__((aligned(16)));
static zx_restricted_exception_t* bound;  // the state VMO, mapped

static zx_status_t bind(zx_exception_report_t* report) {
  zx_handle_t vmo;
  zx_status_t status = zx_restricted_bind_state(0, &vmo, report);
  if (status != ZX_OK) return status;
  zx_vaddr_t address;
  status = zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4096, &address);
  zx_handle_close(vmo);
  bound = (zx_restricted_exception_t*)address;
  return status;
}

static int64_t run(void (*code)(void)) {
  memset(&bound->state, 0, sizeof(bound->state));
  bound->state.ip = (uint64_t)code;
  bound->state.rsp = (uint64_t)(restricted_stack + sizeof(restricted_stack) - 8);
  return enter(0);
}

static int kick_when_running(void* argument) {
  while (!running) zx_thread_legacy_yield(0);
  return zx_restricted_kick(*(zx_handle_t*)argument, 0);
}

static int nothing(void* argument) {
  (void)argument;
  return 0;
}

int main(void) {
  zx_handle_t vmo;

  say("bind_state_needs_a_place_for_the_handle");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_bind_state(0, NULL, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_bind_state(0, (zx_handle_t*)8, NULL));

  say("the_state_is_bound_even_where_the_handle_has_no_place");
  EXPECT(ZX_RESTRICTED_REASON_EXCEPTION, enter(0));  // all registers are 0, and nothing is mapped there

  say("unbind_state_recovers");
  OK(zx_restricted_unbind_state(0));
  EXPECT(ZX_ERR_BAD_STATE, enter(0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_unbind_state(1));

  say("so_does_another_bind_state");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_bind_state(0, NULL, NULL));
  OK(bind(NULL));

  say("bind_state_takes_no_options");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_bind_state(1, &vmo, NULL));

  say("enter_takes_no_options_and_a_user_address");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_enter(1, (uintptr_t)vector, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_enter(0, (uintptr_t)-1, 0));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_enter(0, 1UL << 47, 0));

  say("enter_refuses_registers_that_no_thread_may_have");
  memset(&bound->state, 0, sizeof(bound->state));
  bound->state.ip = 1UL << 47;
  EXPECT(ZX_ERR_BAD_STATE, enter(0));
  bound->state.ip = (uint64_t)undefined;
  bound->state.flags = 1 << 9;
  EXPECT(ZX_ERR_BAD_STATE, enter(0));
  bound->state.flags = 0;
  bound->state.fs_base = 1UL << 47;
  EXPECT(ZX_ERR_BAD_STATE, enter(0));
  bound->state.fs_base = 0;
  bound->state.gs_base = 1UL << 63;
  EXPECT(ZX_ERR_BAD_STATE, enter(0));

  say("restricted_code_is_served");
  uint64_t numbers[] = {5, 6, 31, 0}, asked = 0, sum = 0, service;
  EXPECT(ZX_RESTRICTED_REASON_SYSCALL, run(sum_of_numbers));
  while ((service = bound->state.rax) != END) {
    if (service == GET) bound->state.rax = numbers[asked++];
    if (service == PUT) sum = bound->state.rdi;
    EXPECT(ZX_RESTRICTED_REASON_SYSCALL, enter(0));
  }
  TRUE(asked == 4);
  TRUE(sum == 42);

  say("the_instruction_destroys_rcx_and_r11");
  bound->state.rcx = bound->state.r11 = 7;
  EXPECT(ZX_RESTRICTED_REASON_SYSCALL, enter(0));
  TRUE(bound->state.rcx == 0);
  TRUE(bound->state.r11 == 0);

  say("the_vector_gets_context_and_reason_and_zeroes");
  EXPECT(ZX_RESTRICTED_REASON_SYSCALL, enter(0xfedcba9876543210));
  TRUE(seen[0] == 0xfedcba9876543210);
  TRUE(seen[1] == ZX_RESTRICTED_REASON_SYSCALL);
  for (int i = 2; i < 15; i++) TRUE(seen[i] == 0);

  say("exceptions_are_reported_behind_the_registers");
  EXPECT(ZX_RESTRICTED_REASON_EXCEPTION, run(undefined));
  TRUE(bound->state.ip >= (uint64_t)undefined && bound->state.ip < (uint64_t)undefined + 16);
  TRUE(bound->exception.header.type == ZX_EXCP_UNDEFINED_INSTRUCTION);
  TRUE(bound->exception.header.size == sizeof(zx_exception_report_t));
  TRUE(bound->exception.context.arch.u.x86_64.vector == 6);
  EXPECT(ZX_RESTRICTED_REASON_EXCEPTION, run(load_from_nowhere));
  TRUE(bound->exception.header.type == ZX_EXCP_FATAL_PAGE_FAULT);
  TRUE(bound->exception.context.arch.u.x86_64.cr2 == 0x18);

  say("or_where_bind_state_was_told");
  static zx_exception_report_t report;
  OK(bind(&report));
  EXPECT(ZX_RESTRICTED_REASON_EXCEPTION, run(undefined));
  TRUE(report.header.type == ZX_EXCP_UNDEFINED_INSTRUCTION);
  TRUE(bound->exception.header.type == 0);

  say("a_report_that_cannot_be_written_is_lost");
  OK(bind((zx_exception_report_t*)8));
  EXPECT(ZX_RESTRICTED_REASON_EXCEPTION_LOST, run(undefined));
  TRUE(bound->state.ip >= (uint64_t)undefined && bound->state.ip < (uint64_t)undefined + 16);
  TRUE(bound->exception.header.type == 0);
  OK(bind((zx_exception_report_t*)(uintptr_t)undefined));
  EXPECT(ZX_RESTRICTED_REASON_EXCEPTION_LOST, run(undefined));
  OK(bind(NULL));

  say("floating_point_registers_are_left_alone");
  uint64_t value = 21;
  __asm__ volatile("movq %0, %%xmm7" : : "r"(value) : "xmm7");
  EXPECT(ZX_RESTRICTED_REASON_SYSCALL, run(bump_xmm7));
  __asm__ volatile("movq %%xmm7, %0" : "=r"(value));
  TRUE(value == 42);

  say("bases_are_those_of_each_mode");
  static uint64_t fs = 3, gs = 4;
  static thread_local int local = 5;
  memset(&bound->state, 0, sizeof(bound->state));
  bound->state.ip = (uint64_t)look_at_bases;
  bound->state.fs_base = (uint64_t)&fs;
  bound->state.gs_base = (uint64_t)&gs;
  EXPECT(ZX_RESTRICTED_REASON_SYSCALL, enter(0));
  TRUE(local == 5);
  TRUE(bound->state.rbx == 3 && bound->state.r12 == 4);
  TRUE(bound->state.fs_base == (uint64_t)&fs && bound->state.gs_base == (uint64_t)&gs);

  say("a_kick_from_another_thread_comes_out");
  zx_handle_t self = thrd_get_zx_handle(thrd_current());
  thrd_t other;
  int result;
  TRUE(thrd_create(&other, kick_when_running, &self) == thrd_success);
  EXPECT(ZX_RESTRICTED_REASON_KICK, run(spin));
  thrd_join(other, &result);
  EXPECT(ZX_OK, result);
  TRUE(bound->state.ip >= (uint64_t)spin && bound->state.ip < (uint64_t)spin + 64);

  say("a_kick_waits_for_the_next_entry");
  OK(zx_restricted_kick(self, 0));
  OK(zx_restricted_kick(self, 0));
  EXPECT(ZX_RESTRICTED_REASON_KICK, run(undefined));
  TRUE(seen[1] == ZX_RESTRICTED_REASON_KICK);
  TRUE(bound->state.ip == (uint64_t)undefined);
  EXPECT(ZX_RESTRICTED_REASON_EXCEPTION, enter(0));

  say("kick_takes_no_options_and_a_thread");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_restricted_kick(self, 1));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_restricted_kick(ZX_HANDLE_INVALID, 0));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_restricted_kick(zx_process_self(), 0));
  zx_handle_t weak;
  OK(zx_handle_duplicate(self, ZX_RIGHT_WRITE, &weak));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_restricted_kick(weak, 0));

  say("a_dead_thread_cannot_be_kicked");
  zx_handle_t dead;
  TRUE(thrd_create(&other, nothing, NULL) == thrd_success);
  OK(zx_handle_duplicate(thrd_get_zx_handle(other), ZX_RIGHT_SAME_RIGHTS, &dead));
  thrd_join(other, NULL);
  OK(zx_object_wait_one(dead, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL));
  EXPECT(ZX_ERR_BAD_STATE, zx_restricted_kick(dead, 0));

  say(NULL);
  return 0;
}
