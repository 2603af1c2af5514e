// From _start to main: relocation, the vDSO, the bootstrap message.

#include <stdlib.h>
#include <string.h>
#include <zircon/process.h>
#include <zircon/processargs.h>

#include "elf.h"
#include "internal.h"

extern int main(int argc, char** argv, char** envp);

typedef void (*initializer_t)(int, char**, char**);
typedef void (*finalizer_t)(void);
HIDDEN extern const char __ehdr_start[];
HIDDEN extern const initializer_t __preinit_array_start[], __preinit_array_end[];
HIDDEN extern const initializer_t __init_array_start[], __init_array_end[];
HIDDEN extern const finalizer_t __fini_array_start[], __fini_array_end[];

zx_handle_t __jx_process_self;
zx_handle_t __jx_vmar_root;
zx_handle_t __jx_job_default;

static struct {
  uint32_t count;
  zx_handle_t values[ZX_CHANNEL_MAX_MSG_HANDLES];
  uint32_t infos[ZX_CHANNEL_MAX_MSG_HANDLES];
} startup;

static union {
  struct thread thread;
  char room[4096];
} first_thread __attribute__((aligned(64)));

char** environ;

static void relocate(uintptr_t bias, const Elf64_Dyn* dynamic) {
  const Elf64_Rela* table = NULL;
  size_t size = 0;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_RELA) table = (const Elf64_Rela*)(bias + dynamic->d_val);
    if (dynamic->d_tag == DT_RELASZ) size = dynamic->d_val;
  }
  for (size_t i = 0; i < size / sizeof(*table); i++) {
    if ((uint32_t)table[i].r_info != R_X86_64_RELATIVE) __builtin_trap();
    *(uintptr_t*)(bias + table[i].r_offset) = bias + (uintptr_t)table[i].r_addend;
  }
}

// Writes `num` pointers to consecutive NUL-terminated strings, and a null pointer behind them.
static void split_strings(char** out, char* strings, char* end, uint32_t num) {
  uint32_t i = 0;
  for (; i < num && strings < end; i++) {
    out[i] = strings;
    strings += strlen(strings) + 1;
  }
  out[i] = NULL;
}

static void take_handles(const char* message, uint32_t size, uint32_t info_offset, uint32_t count) {
  if (info_offset > size || count > (size - info_offset) / sizeof(uint32_t)) return;
  memcpy(startup.infos, message + info_offset, count * sizeof(uint32_t));
  startup.count = count;
  __jx_process_self = zx_take_startup_handle(PA_HND(PA_PROC_SELF, 0));
  __jx_vmar_root = zx_take_startup_handle(PA_HND(PA_VMAR_ROOT, 0));
  __jx_job_default = zx_take_startup_handle(PA_HND(PA_JOB_DEFAULT, 0));
}

static _Noreturn void run(zx_handle_t bootstrap) {
  uint32_t size = 0, count = 0;
  if (bootstrap != ZX_HANDLE_INVALID) {
    zx_channel_read(bootstrap, 0, NULL, NULL, 0, 0, &size, &count);
  }
  // The strings stay where they were read: this frame lives as long as the program.
  char* message = __builtin_alloca(size + 1);
  const zx_proc_args_t* header = (const zx_proc_args_t*)message;
  zx_status_t status = ZX_ERR_NOT_FOUND;
  if (size >= sizeof(*header)) {
    status = zx_channel_read(bootstrap, 0, message, startup.values, size, count, &size, &count);
    message[size] = '\0';
  }
  uint32_t argc = 0, envc = 0;
  char *args = message, *envs = message;
  if (status == ZX_OK && header->protocol == ZX_PROCARGS_PROTOCOL) {
    take_handles(message, size, header->handle_info_off, count);
    // No more strings than bytes, whatever the header says.
    if (header->args_off < size) {
      args = message + header->args_off;
      argc = header->args_num < size ? header->args_num : size;
    }
    if (header->environ_off < size) {
      envs = message + header->environ_off;
      envc = header->environ_num < size ? header->environ_num : size;
    }
  }
  if (bootstrap != ZX_HANDLE_INVALID) zx_handle_close(bootstrap);
  char** argv = __builtin_alloca((argc + envc + 2) * sizeof(char*));
  split_strings(argv, args, message + size, argc);
  environ = argv + argc + 1;
  split_strings(environ, envs, message + size, envc);

  struct thread* self =
      __jx_tls_size() <= sizeof(first_thread)
          ? __jx_tls_install(first_thread.room, zx_take_startup_handle(PA_HND(PA_THREAD_SELF, 0)))
          : NULL;
  if (self == NULL) __builtin_trap();  // more than a page of thread-local variables
  self->state = THREAD_DETACHED;
  __jx_set_thread_pointer(self);
  __jx_stdio_start();

  for (const initializer_t* f = __preinit_array_start; f < __preinit_array_end; f++)
    (*f)((int)argc, argv, environ);
  for (const initializer_t* f = __init_array_start; f < __init_array_end; f++) (*f)((int)argc, argv, environ);
  exit(main((int)argc, argv, environ));
}

HIDDEN _Noreturn void __jx_start(zx_handle_t bootstrap, uintptr_t vdso, const Elf64_Dyn* dynamic) {
  uintptr_t headers = (uintptr_t)__ehdr_start;
  uintptr_t bias = dynamic != NULL ? headers : 0;  // a position-independent program is linked at 0
  if (dynamic != NULL) relocate(bias, dynamic);
  __jx_bind_vdso(vdso);
  __jx_find_tls(headers, bias);
  run(bootstrap);
}

HIDDEN void __jx_run_finalizers(void) {
  for (const finalizer_t* f = __fini_array_end; f > __fini_array_start;) (*--f)();
}

zx_handle_t zx_take_startup_handle(uint32_t hnd_info) {
  for (uint32_t i = 0; i < startup.count; i++) {
    zx_handle_t value = startup.values[i];
    if (startup.infos[i] == hnd_info && value != ZX_HANDLE_INVALID) {
      startup.values[i] = ZX_HANDLE_INVALID;
      return value;
    }
  }
  return ZX_HANDLE_INVALID;
}

zx_handle_t zx_get_startup_handle(uint32_t hnd_info) {
  for (uint32_t i = 0; i < startup.count; i++) {
    if (startup.infos[i] == hnd_info && startup.values[i] != ZX_HANDLE_INVALID) return startup.values[i];
  }
  return ZX_HANDLE_INVALID;
}

zx_handle_t zx_process_self(void) { return __jx_process_self; }
zx_handle_t zx_vmar_root_self(void) { return __jx_vmar_root; }
zx_handle_t zx_job_default(void) { return __jx_job_default; }
zx_handle_t zx_thread_self(void) { return current_thread()->handle; }

zx_handle_t _zx_process_self(void) __attribute__((alias("zx_process_self")));
zx_handle_t _zx_vmar_root_self(void) __attribute__((alias("zx_vmar_root_self")));
zx_handle_t _zx_job_default(void) __attribute__((alias("zx_job_default")));
zx_handle_t _zx_thread_self(void) __attribute__((alias("zx_thread_self")));
