// Every sentence of the specification of zx_process_create_shared, by a program.

#include <jacinth.h>
#include <stdint.h>
#include <string.h>
#include <zircon/process.h>

#include "sentences.h"

#define PAGE 4096ul
#define HALF (1ul << 46)
#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static zx_handle_t job;

struct made {
  zx_handle_t process, vmar;
};

static struct made prototype(void) {
  struct made made = {0};
  OK(zx_process_create(job, "prototype", 9, ZX_PROCESS_SHARED, &made.process, &made.vmar));
  return made;
}

static struct made create_shared(zx_handle_t of) {
  struct made made = {0};
  OK(zx_process_create_shared(of, 0, "shared", 6, &made.process, &made.vmar));
  return made;
}

static void drop(struct made made) {
  zx_handle_close(made.process);
  zx_handle_close(made.vmar);
}

static zx_info_handle_basic_t basic(zx_handle_t handle) {
  zx_info_handle_basic_t info = {0};
  OK(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
  return info;
}

static zx_info_vmar_t region(zx_handle_t vmar) {
  zx_info_vmar_t info = {0};
  OK(zx_object_get_info(vmar, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
  return info;
}

static size_t processes(void) {
  size_t avail = 0;
  OK(zx_object_get_info(job, ZX_INFO_JOB_PROCESSES, NULL, 0, NULL, &avail));
  return avail;
}

// A page with `text`, mapped below `vmar`.
static zx_vaddr_t map_page(zx_handle_t vmar, const char* text) {
  zx_handle_t vmo;
  zx_vaddr_t address = 0;
  OK(zx_vmo_create(PAGE, 0, &vmo));
  OK(zx_vmo_write(vmo, text, 0, strlen(text) + 1));
  OK(zx_vmar_map(vmar, RW, 0, vmo, 0, PAGE, &address));
  zx_handle_close(vmo);
  return address;
}

static int holds(zx_handle_t process, zx_vaddr_t address, const char* text) {
  char buffer[64];
  size_t actual, size = strlen(text) + 1;
  return zx_process_read_memory(process, address, buffer, size, &actual) == ZX_OK && actual == size &&
         memcmp(buffer, text, size) == 0;
}

static void description(void) {
  struct made first = prototype(), one, other;
  size_t actual;

  say("creates_a_new_process_that_shares_part_of_its_address_space_with_shared_proc");
  zx_vaddr_t common = map_page(first.vmar, "common");
  one = create_shared(first.process);
  TRUE(basic(one.process).type == ZX_OBJ_TYPE_PROCESS);
  TRUE(holds(one.process, common, "common"));
  TRUE(holds(one.process, map_page(first.vmar, "mapped later"), "mapped later"));

  say("the_created_process_will_be_added_to_the_same_job_as_shared_proc");
  TRUE(basic(one.process).related_koid == basic(job).koid);
  TRUE(processes() == 2);

  say("shared_proc_must_have_been_created_with_zx_process_shared");
  zx_handle_t plain, vmar, none1 = 0, none2 = 0;
  OK(zx_process_create(job, "plain", 5, 0, &plain, &vmar));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(plain, 0, "x", 1, &none1, &none2));
  zx_handle_close(plain);
  zx_handle_close(vmar);

  say("or_via_zx_process_create_shared");
  other = create_shared(one.process);
  TRUE(holds(other.process, common, "common"));

  say("the_address_space_of_the_created_process_is_split_in_two");
  zx_info_vmar_t shared = region(first.vmar), restricted = region(one.vmar);
  TRUE(restricted.base + restricted.len <= HALF && HALF <= shared.base);
  TRUE(shared.base + shared.len <= 2 * HALF);

  say("the_shared_portion_is_shared_with_shared_proc");
  OK(zx_process_write_memory(one.process, common, "by one", 7, &actual));
  TRUE(holds(other.process, common, "by one"));
  TRUE(holds(first.process, common, "by one"));

  say("the_restricted_portion_is_private_to_the_created_process");
  zx_vaddr_t mine = map_page(one.vmar, "one's"), its = map_page(other.vmar, "other's");
  TRUE(mine == its);
  TRUE(holds(one.process, mine, "one's"));
  TRUE(holds(other.process, mine, "other's"));
  char byte;
  EXPECT(ZX_ERR_NOT_FOUND, zx_process_read_memory(first.process, mine, &byte, 1, &actual));
  drop(one);
  drop(other);
  drop(first);
}

// Runs in each process of the group: stores its number, which it was given, and ends.
static const unsigned char kBody[] = {
    0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0,  // mov rcx, address of the words
    0x48, 0x89, 0x34, 0xf1,              // mov [rcx + rsi * 8], rsi
    0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,  // mov rax, zx_thread_exit
    0xff, 0xe0,                          // jmp rax
};

static void begins_in_the_shared_portion(void) {
  say("each_thread_in_the_process_begins_executing_with_the_shared_portion_active");
  struct made first = prototype();
  zx_vaddr_t vdso = 0, code = 0, words = map_page(first.vmar, "");
  OK(jx_vdso_map(first.vmar, &vdso));
  unsigned char body[sizeof(kBody)];
  memcpy(body, kBody, sizeof(body));
  memcpy(body + 2, &words, 8);
  uint64_t leave = vdso + jx_vdso_offset("zx_thread_exit");
  memcpy(body + 16, &leave, 8);
  zx_handle_t vmo;
  OK(zx_vmo_create(PAGE, 0, &vmo));
  OK(zx_vmo_write(vmo, body, 0, sizeof(body)));
  OK(zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo));
  OK(zx_vmar_map(first.vmar, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE, &code));
  for (uint64_t number = 1; number <= 2; number++) {
    struct made made = create_shared(first.process);
    zx_handle_t thread;
    OK(zx_thread_create(made.process, "t", 1, 0, &thread));
    OK(zx_process_start(made.process, thread, code, 0, ZX_HANDLE_INVALID, number));
    OK(zx_object_wait_one(made.process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
    zx_info_process_t info = {0};
    OK(zx_object_get_info(made.process, ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL));
    TRUE(info.return_code == 0);
    zx_handle_close(thread);
    drop(made);
  }
  uint64_t seen[3] = {0};
  size_t actual;
  OK(zx_process_read_memory(first.process, words, seen, sizeof(seen), &actual));
  TRUE(seen[1] == 1 && seen[2] == 2);
  zx_handle_close(vmo);
  drop(first);
}

static void rights_and_return_value(void) {
  struct made first = prototype();
  zx_handle_t copy, process = ZX_HANDLE_INVALID, vmar = ZX_HANDLE_INVALID;

  say("shared_proc_must_be_of_type_process_and_have_manage_process");
  OK(zx_handle_duplicate(first.process, ZX_RIGHT_MANAGE_PROCESS, &copy));
  OK(zx_process_create_shared(copy, 0, "x", 1, &process, &vmar));
  zx_handle_close(copy);

  say("on_success_it_returns_a_handle_to_the_new_process_via_proc_handle");
  TRUE(basic(process).type == ZX_OBJ_TYPE_PROCESS);
  TRUE(basic(process).rights == ZX_DEFAULT_PROCESS_RIGHTS);
  TRUE(basic(process).koid != basic(first.process).koid);

  say("and_a_handle_to_the_root_of_its_restricted_address_space_via_restricted_vmar_handle");
  TRUE(basic(vmar).type == ZX_OBJ_TYPE_VMAR);
  TRUE(map_page(vmar, "") < HALF);
  zx_handle_close(process);
  zx_handle_close(vmar);

  say("in_the_event_of_failure_a_negative_error_value_is_returned");
  process = vmar = 0x1234567;
  TRUE(zx_process_create_shared(first.process, 1, "x", 1, &process, &vmar) < 0);
  TRUE(process == 0x1234567 && vmar == 0x1234567);
  drop(first);
}

static void errors(void) {
  struct made first = prototype(), second;
  zx_handle_t other, vmar, process = 0, restricted = 0;

  say("invalid_args_a_process_that_was_created_neither_with_shared_nor_via_create_shared");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(zx_process_self(), 0, "x", 1, &process, &restricted));

  say("bad_handle_shared_proc_is_not_a_valid_handle");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_process_create_shared(0x7fffffff, 0, "x", 1, &process, &restricted));

  say("wrong_type_shared_proc_is_not_a_process_handle");
  EXPECT(ZX_ERR_WRONG_TYPE, zx_process_create_shared(job, 0, "x", 1, &process, &restricted));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_process_create_shared(first.vmar, 0, "x", 1, &process, &restricted));

  say("access_denied_shared_proc_does_not_have_the_manage_process_right");
  OK(zx_handle_duplicate(first.process, ZX_DEFAULT_PROCESS_RIGHTS & ~ZX_RIGHT_MANAGE_PROCESS, &other));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_process_create_shared(other, 0, "x", 1, &process, &restricted));
  zx_handle_close(other);

  say("only_when_not_zx_handle_invalid");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_process_create_shared(ZX_HANDLE_INVALID, 0, "x", 1, &process, &restricted));

  say("see_process_create_invalid_args_options");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(first.process, 1, "x", 1, &process, &restricted));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(first.process, ZX_PROCESS_SHARED, "x", 1, &process, &restricted));

  say("see_process_create_invalid_args_pointers");
  size_t before = processes();
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(first.process, 0, NULL, 1, &process, &restricted));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(first.process, 0, (const char*)8, 1, &process, &restricted));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(first.process, 0, "x", 1, NULL, &restricted));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(first.process, 0, "x", 1, &process, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_process_create_shared(first.process, 0, "x", 1, (zx_handle_t*)(1ul << 50), &restricted));
  TRUE(processes() == before);

  say("bad_state_the_shared_state_is_no_longer_valid");
  second = create_shared(first.process);
  OK(zx_task_kill(first.process));
  drop(create_shared(first.process));  // one of the group lives, so the state does
  OK(zx_task_kill(second.process));
  EXPECT(ZX_ERR_BAD_STATE, zx_process_create_shared(first.process, 0, "x", 1, &process, &restricted));
  EXPECT(ZX_ERR_BAD_STATE, zx_process_create_shared(second.process, 0, "x", 1, &process, &restricted));
  drop(first);
  drop(second);

  say("see_process_create_bad_state_the_job_is_dead");
  OK(zx_job_create(job, 0, &other));
  OK(zx_process_create(other, "p", 1, ZX_PROCESS_SHARED, &process, &vmar));
  OK(zx_task_kill(other));
  zx_handle_t late = 0;
  EXPECT(ZX_ERR_BAD_STATE, zx_process_create_shared(process, 0, "x", 1, &late, &restricted));
}

int main(void) {
  say("the_program_has_a_job");
  OK(zx_job_create(zx_job_default(), 0, &job));
  description();
  begins_in_the_shared_portion();
  rights_and_return_value();
  errors();
  say(NULL);
  return 0;
}
