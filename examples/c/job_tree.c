// A tree of jobs with a process at each leaf, killed from the top in one step.

#include <jacinth.h>
#include <string.h>
#include <zircon/process.h>

#include "check.h"

#define PAGE 4096ul
#define DEPTH 3
#define LEAVES (1 << DEPTH)

static zx_handle_t processes[LEAVES], jobs[2 * LEAVES];
static int process_count, job_count;

// Makes a process of `job` whose only thread waits for ever.
static void start_sleeper(zx_handle_t job) {
  zx_handle_t process, vmar, thread, vmo;
  CHECK(zx_process_create(job, "sleeper", 7, 0, &process, &vmar));
  zx_vaddr_t vdso, code;
  CHECK(jx_vdso_map(vmar, &vdso));
  // mov rdi, -1 >> 1 (ZX_TIME_INFINITE); mov rax, zx_nanosleep; jmp rax
  unsigned char body[22] = {0x48, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x48, 0xb8};
  zx_vaddr_t sleep = vdso + jx_vdso_offset("zx_nanosleep");
  memcpy(body + 12, &sleep, sizeof(sleep));
  memcpy(body + 20, "\xff\xe0", 2);
  CHECK(zx_vmo_create(PAGE, 0, &vmo));
  CHECK(zx_vmo_write(vmo, body, 0, sizeof(body)));
  CHECK(zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo));
  CHECK(zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE, &code));
  CHECK(zx_thread_create(process, "sleep", 5, 0, &thread));
  CHECK(zx_process_start(process, thread, code, 0, ZX_HANDLE_INVALID, 0));
  zx_handle_close(thread);
  zx_handle_close(vmo);
  zx_handle_close(vmar);
  processes[process_count++] = process;
}

static zx_handle_t make_tree(zx_handle_t parent, int depth) {
  zx_handle_t job;
  CHECK(zx_job_create(parent, 0, &job));
  jobs[job_count++] = job;
  if (depth == 0) {
    start_sleeper(job);
  } else {
    make_tree(job, depth - 1);
    make_tree(job, depth - 1);
  }
  return job;
}

int main(void) {
  zx_handle_t top = make_tree(zx_job_default(), DEPTH);
  printf("%d jobs, %d processes\n", job_count, process_count);

  int running = 0;
  for (int i = 0; i < process_count; i++) {
    zx_info_process_t info;
    CHECK(zx_object_get_info(processes[i], ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL));
    running += (info.flags & ZX_INFO_PROCESS_FLAG_STARTED) && !(info.flags & ZX_INFO_PROCESS_FLAG_EXITED);
  }
  printf("running: %d\n", running);

  CHECK(zx_task_kill(top));
  int killed = 0, dead = 0;
  for (int i = 0; i < process_count; i++) {
    zx_info_process_t info;
    CHECK(zx_object_wait_one(processes[i], ZX_TASK_TERMINATED, ZX_TIME_INFINITE, NULL));
    CHECK(zx_object_get_info(processes[i], ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL));
    killed += info.return_code == ZX_TASK_RETCODE_SYSCALL_KILL;
  }
  for (int i = 0; i < job_count; i++) {
    zx_info_job_t info;
    CHECK(zx_object_get_info(jobs[i], ZX_INFO_JOB, &info, sizeof(info), NULL, NULL));
    dead += info.exited;
  }
  printf("killed: %d processes, %d jobs\n", killed, dead);
  zx_handle_t late;
  printf("a job under a dead one: %s\n", zx_status_get_string(zx_job_create(top, 0, &late)));
  return 0;
}
