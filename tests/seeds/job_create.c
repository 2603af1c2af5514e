// Every sentence of the specification of zx_job_create, by a program.

#include <stdint.h>
#include <zircon/process.h>

#include "sentences.h"

#define MAX_HEIGHT 32
#define PAGE 4096ul

static zx_handle_t parent;

static zx_handle_t make(zx_handle_t of) {
  zx_handle_t job = ZX_HANDLE_INVALID;
  OK(zx_job_create(of, 0, &job));
  return job;
}

static zx_info_handle_basic_t basic(zx_handle_t handle) {
  zx_info_handle_basic_t info = {0};
  OK(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
  return info;
}

static size_t children(zx_handle_t job, zx_koid_t* first) {
  size_t actual = 0, avail = 0;
  OK(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, first, first ? sizeof(*first) : 0, &actual, &avail));
  return avail;
}

static zx_handle_t with_rights(zx_handle_t handle, zx_rights_t rights) {
  zx_handle_t copy = ZX_HANDLE_INVALID;
  OK(zx_handle_duplicate(handle, rights, &copy));
  return copy;
}

// The lowest of the jobs below `of` that can be made.
static zx_handle_t lowest(zx_handle_t of, int* made) {
  zx_handle_t job = with_rights(of, ZX_RIGHT_SAME_RIGHTS), child;
  *made = 0;
  while (zx_job_create(job, 0, &child) == ZX_OK) {
    zx_handle_close(job);
    job = child;
    if (++*made > 2 * MAX_HEIGHT) break;
  }
  return job;
}

static void description(void) {
  say("creates_a_new_child_job_object_given_a_parent_job");
  zx_handle_t job = make(parent);
  zx_koid_t koid = 0;
  TRUE(children(parent, &koid) == 1);
  TRUE(basic(job).type == ZX_OBJ_TYPE_JOB);
  TRUE(basic(job).koid == koid);
  TRUE(basic(job).related_koid == basic(parent).koid);

  say("upon_success_a_handle_for_the_new_job_is_returned");
  TRUE(job != ZX_HANDLE_INVALID);
  TRUE(basic(job).rights == ZX_DEFAULT_JOB_RIGHTS);
  OK(zx_handle_close(job));

  say("the_kernel_keeps_track_of_and_restricts_the_height_of_a_job");
  // The root job is one above this program's default job, which is one above `parent`.
  int made;
  zx_handle_t deep = lowest(parent, &made);
  TRUE(made == MAX_HEIGHT - 2);

  say("it_is_illegal_to_create_a_job_under_a_parent_whose_height_exceeds_max_height");
  zx_handle_t none = 0x12345;
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_job_create(deep, 0, &none));
  TRUE(children(deep, NULL) == 0);

  say("it_is_however_legal_to_create_a_process_under_such_a_job");
  zx_handle_t process, vmar;
  OK(zx_process_create(deep, "deep", 4, 0, &process, &vmar));
  TRUE(basic(process).related_koid == basic(deep).koid);
  zx_handle_close(process);
  zx_handle_close(vmar);
  zx_handle_close(deep);

  say("job_handles_may_be_waited_on");
  job = make(parent);
  zx_signals_t seen = 0;
  OK(zx_object_wait_one(job, ZX_JOB_NO_CHILDREN, 0, &seen));
  TRUE(seen & ZX_JOB_NO_JOBS);
  zx_handle_t child = make(job);
  EXPECT(ZX_ERR_TIMED_OUT, zx_object_wait_one(job, ZX_JOB_NO_JOBS, 0, &seen));
  OK(zx_task_kill(job));
  OK(zx_object_wait_one(job, ZX_JOB_TERMINATED, ZX_TIME_INFINITE, &seen));
  TRUE(seen & ZX_JOB_TERMINATED);
  OK(zx_object_wait_one(child, ZX_JOB_TERMINATED, ZX_TIME_INFINITE, NULL));
  zx_handle_close(job);
  zx_handle_close(child);
}

static void rights(void) {
  say("parent_job_must_be_of_type_job_and_have_manage_job");
  zx_handle_t enough = with_rights(parent, ZX_RIGHT_MANAGE_JOB), job = 0, event;
  OK(zx_job_create(enough, 0, &job));
  OK(zx_event_create(0, &event));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_job_create(event, 0, &job));
  zx_handle_close(event);
  zx_handle_close(enough);
}

static void return_value(void) {
  say("returns_ok_and_a_handle_to_the_new_job_via_out_on_success");
  zx_handle_t job = ZX_HANDLE_INVALID;
  TRUE(zx_job_create(parent, 0, &job) == ZX_OK && job != ZX_HANDLE_INVALID);
  OK(zx_handle_close(job));

  say("in_the_event_of_failure_a_negative_error_value_is_returned");
  zx_handle_t untouched = 0x1234567;
  TRUE(zx_job_create(parent, 1, &untouched) < 0);
  TRUE(untouched == 0x1234567);
}

static void errors(void) {
  zx_handle_t job = ZX_HANDLE_INVALID, other;
  zx_vaddr_t read_only;
  size_t before = children(parent, NULL);

  say("bad_handle_parent_job_is_not_a_valid_handle");
  EXPECT(ZX_ERR_BAD_HANDLE, zx_job_create(ZX_HANDLE_INVALID, 0, &job));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_job_create(0x7fffffff, 0, &job));
  other = make(parent);
  OK(zx_handle_close(other));
  EXPECT(ZX_ERR_BAD_HANDLE, zx_job_create(other, 0, &job));

  say("wrong_type_parent_job_is_not_a_job_handle");
  EXPECT(ZX_ERR_WRONG_TYPE, zx_job_create(zx_process_self(), 0, &job));
  OK(zx_handle_duplicate(zx_process_self(), 0, &other));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_job_create(other, 0, &job));  // for want of a right it is not denied
  zx_handle_close(other);

  say("invalid_args_options_is_nonzero");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_create(parent, 1, &job));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_create(parent, 0x80000000u, &job));

  say("invalid_args_out_is_an_invalid_pointer");
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_create(parent, 0, NULL));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_create(parent, 0, (zx_handle_t*)8));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_create(parent, 0, (zx_handle_t*)0xffffffff80000000ul));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_create(parent, 0, (zx_handle_t*)0x7fffffffffffffful));
  OK(zx_vmo_create(PAGE, 0, &other));
  OK(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, other, 0, PAGE, &read_only));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_job_create(parent, 0, (zx_handle_t*)read_only));
  zx_handle_close(other);
  TRUE(children(parent, NULL) == before);  // a job that nobody has a handle to is gone

  say("access_denied_parent_job_has_neither_the_write_nor_the_manage_job_right");
  other = with_rights(parent, ZX_DEFAULT_JOB_RIGHTS & ~(ZX_RIGHT_WRITE | ZX_RIGHT_MANAGE_JOB));
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_job_create(other, 0, &job));
  zx_handle_close(other);
  other = with_rights(parent, ZX_RIGHT_WRITE);
  OK(zx_job_create(other, 0, &job));
  OK(zx_handle_close(job));
  zx_handle_close(other);

  say("out_of_range_the_height_of_parent_job_is_too_large_to_create_a_child_job");
  int made;
  other = lowest(parent, &made);
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_job_create(other, 0, &job));
  zx_handle_close(other);

  say("bad_state_the_parent_job_object_is_in_the_dead_state");
  other = make(parent);
  OK(zx_task_kill(other));
  EXPECT(ZX_ERR_BAD_STATE, zx_job_create(other, 0, &job));
  zx_handle_close(other);
}

int main(void) {
  say("the_program_has_a_job");
  OK(zx_job_create(zx_job_default(), 0, &parent));
  description();
  rights();
  return_value();
  errors();
  say(NULL);
  return 0;
}
