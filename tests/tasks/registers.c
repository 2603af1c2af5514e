// A program makes another process, writes its memory, starts it, and reads and writes the registers of its thread. One sentence a
// behaviour; test_registers_in_c.py asserts them.

#include <stdint.h>
#include <string.h>
#include <zircon/process.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include "sentences.h"

#define PAGE 4096ul
#define NONE ZX_HANDLE_INVALID
#define USER_TOP (1ul << 47)

// inc qword [rsi]; jmp to it
static const uint8_t count[] = {0x48, 0xff, 0x06, 0xeb, 0xfb};

static zx_handle_t process, thread, vmar, token;
static zx_vaddr_t code, data;

static zx_vaddr_t map(zx_handle_t vmo, zx_vm_option_t options) {
  zx_vaddr_t address = 0;
  OK(zx_vmar_map(vmar, options, 0, vmo, 0, PAGE, &address));
  return address;
}

static uint64_t word(zx_vaddr_t address) {
  uint64_t value = 0;
  size_t actual;
  OK(zx_process_read_memory(process, address, &value, sizeof(value), &actual));
  TRUE(actual == sizeof(value));
  return value;
}

// Whether the number there grows.
static int grows(zx_vaddr_t address) {
  uint64_t before = word(address);
  OK(zx_nanosleep(zx_deadline_after(ZX_MSEC(20))));
  return word(address) > before;
}

static void suspend(void) {
  zx_signals_t seen;
  OK(zx_task_suspend_token(thread, &token));
  OK(zx_object_wait_one(thread, ZX_THREAD_SUSPENDED, ZX_TIME_INFINITE, &seen));
}

static void resume(void) { OK(zx_handle_close(token)); }

static void making(void) {
  zx_handle_t memory;
  size_t actual;
  say("a_process_has_memory_before_it_starts");
  OK(zx_process_create(zx_job_default(), "debuggee", 8, 0, &process, &vmar));
  OK(zx_vmo_create(PAGE, 0, &memory));
  data = map(memory, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE);
  OK(zx_handle_close(memory));
  OK(zx_vmo_create(PAGE, 0, &memory));
  OK(zx_vmo_replace_as_executable(memory, NONE, &memory));
  code = map(memory, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE);
  OK(zx_handle_close(memory));
  OK(zx_process_write_memory(process, code, count, sizeof(count), &actual));
  TRUE(actual == sizeof(count));
  EXPECT(ZX_ERR_NOT_FOUND, zx_process_write_memory(process, 0, count, sizeof(count), &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_write_memory(process, code, count, 0, &actual));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_write_memory(process, code, count, (64ul << 20) + 1, &actual));

  say("a_handle_that_may_not_be_transferred_is_closed");
  zx_handle_t event, poor;
  OK(zx_thread_create(process, "t", 1, 0, &thread));
  OK(zx_event_create(0, &event));
  OK(zx_handle_duplicate(event, ZX_RIGHT_WAIT, &poor));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_process_start(process, thread, code, 0, poor, data));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(poor));

  say("the_first_argument_is_a_handle_that_moves");
  OK(zx_process_start(process, thread, code, 0, event, data));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_handle_close(event));
  TRUE(grows(data));
  EXPECT(ZX_ERR_BAD_STATE, zx_process_start(process, thread, code, 0, NONE, data));
}

static void general(void) {
  zx_thread_state_general_regs_t regs;
  say("a_thread_that_runs_has_no_state_to_read");
  EXPECT(ZX_ERR_BAD_STATE, zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)));
  EXPECT(ZX_ERR_BUFFER_TOO_SMALL, zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs) - 1));

  say("a_suspended_thread_shows_its_registers");
  suspend();
  TRUE(!grows(data));
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)));
  TRUE(regs.rsi == data && regs.rdi != 0);
  TRUE(regs.rip == code || regs.rip == code + 3);

  say("it_goes_on_with_the_registers_that_were_written");
  regs.rsi = data + 64;
  regs.rip = code;
  OK(zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)));
  resume();
  TRUE(grows(data + 64));
  TRUE(!grows(data));

  say("values_that_no_thread_may_have");
  suspend();
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)));
  zx_thread_state_general_regs_t bad = regs;
  bad.rip = USER_TOP;
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &bad, sizeof(bad)));
  bad = regs;
  bad.fs_base = USER_TOP;
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &bad, sizeof(bad)));
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &bad, sizeof(bad)));
  TRUE(memcmp(&bad, &regs, sizeof(regs)) == 0);
}

static void others(void) {
  zx_thread_state_fp_regs_t fp, fp_again;
  zx_thread_state_vector_regs_t vector, vector_again;
  say("x87_and_vector_registers_are_kept_while_the_thread_runs");
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_FP_REGS, &fp, sizeof(fp)));
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_VECTOR_REGS, &vector, sizeof(vector)));
  TRUE(fp.fcw == 0x37f && vector.mxcsr == 0x1f80);
  fp.fcw = 0xb7f;
  for (uint64_t i = 0; i < 16; i++) vector.zmm[i].v[0] = vector.zmm[i].v[1] = i * 0x0101010101010101;
  OK(zx_thread_write_state(thread, ZX_THREAD_STATE_FP_REGS, &fp, sizeof(fp)));
  OK(zx_thread_write_state(thread, ZX_THREAD_STATE_VECTOR_REGS, &vector, sizeof(vector)));
  resume();
  double sum = 0;  // meanwhile this thread uses its own
  for (int i = 1; i < 100; i++) sum += 1.0 / i;
  TRUE(grows(data + 64) && sum > 5.17 && sum < 5.18);
  suspend();
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_FP_REGS, &fp_again, sizeof(fp_again)));
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_VECTOR_REGS, &vector_again, sizeof(vector_again)));
  TRUE(memcmp(&fp, &fp_again, sizeof(fp)) == 0);
  TRUE(memcmp(&vector, &vector_again, sizeof(vector)) == 0);
  vector.mxcsr = 1u << 16;
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_write_state(thread, ZX_THREAD_STATE_VECTOR_REGS, &vector, sizeof(vector)));
}

static void traps(void) {
  zx_handle_t channel, exception;
  zx_exception_info_t info;
  zx_thread_state_debug_regs_t debug;
  zx_signals_t seen;
  say("a_debug_register_stops_the_thread");
  OK(zx_task_create_exception_channel(process, 0, &channel));
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_DEBUG_REGS, &debug, sizeof(debug)));
  TRUE(debug.dr6 == 0xffff0ff0 && debug.dr7 == 0x700);
  debug.dr[2] = USER_TOP;
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_write_state(thread, ZX_THREAD_STATE_DEBUG_REGS, &debug, sizeof(debug)));
  debug.dr[2] = code + 3;
  debug.dr7 = 1 << 4;
  OK(zx_thread_write_state(thread, ZX_THREAD_STATE_DEBUG_REGS, &debug, sizeof(debug)));
  resume();
  OK(zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, &seen));
  OK(zx_channel_read(channel, 0, &info, &exception, sizeof(info), 1, NULL, NULL));
  TRUE(info.type == ZX_EXCP_HW_BREAKPOINT);
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_DEBUG_REGS, &debug, sizeof(debug)));
  TRUE((debug.dr6 & 15) == 4);

  say("a_single_step_is_on_or_off");
  zx_thread_state_single_step_t step = 2;
  EXPECT(ZX_ERR_INVALID_ARGS, zx_thread_write_state(thread, ZX_THREAD_STATE_SINGLE_STEP, &step, sizeof(step)));
  OK(zx_thread_read_state(thread, ZX_THREAD_STATE_SINGLE_STEP, &step, sizeof(step)));
  TRUE(step == 0);

  say("a_killed_process_has_neither_memory_nor_registers");
  size_t actual;
  uint8_t byte;
  OK(zx_task_kill(process));
  OK(zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, &seen));
  EXPECT(ZX_ERR_BAD_STATE, zx_process_read_memory(process, data, &byte, 1, &actual));
  EXPECT(ZX_ERR_BAD_STATE, zx_thread_read_state(thread, ZX_THREAD_STATE_DEBUG_REGS, &debug, sizeof(debug)));
  EXPECT(ZX_ERR_BAD_STATE, zx_task_suspend_token(thread, &token));
  OK(zx_handle_close(exception));
  OK(zx_handle_close(channel));
}

int main(void) {
  making();
  general();
  others();
  traps();
  say(NULL);
  return 0;
}
