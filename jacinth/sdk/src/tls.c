// Thread-local variables and the thread pointer.

#include <string.h>
#include <zircon/process.h>

#include "elf.h"
#include "internal.h"

static const char* initial_image;
static size_t initial_size;
static size_t total_size;  // below the thread pointer, rounded up to the alignment
static size_t alignment = 16;

HIDDEN void __jx_find_tls(uintptr_t image_headers, uintptr_t bias) {
  const Elf64_Ehdr* header = (const Elf64_Ehdr*)image_headers;
  const Elf64_Phdr* segment = (const Elf64_Phdr*)(image_headers + header->e_phoff);
  for (int i = 0; i < header->e_phnum; i++) {
    if (segment[i].p_type != PT_TLS) continue;
    initial_image = (const char*)(bias + segment[i].p_vaddr);
    initial_size = segment[i].p_filesz;
    size_t wanted = segment[i].p_align > 1 ? segment[i].p_align : 1;
    // The block ends at the thread pointer, and its start has the alignment too.
    total_size = (segment[i].p_memsz + wanted - 1) & -wanted;
    if (wanted > alignment) alignment = wanted;
  }
}

// Room for the variables, the control block behind them, and the alignment between.
HIDDEN size_t __jx_tls_size(void) { return total_size + alignment + sizeof(struct thread); }

HIDDEN struct thread* __jx_tls_install(char* room, zx_handle_t handle) {
  uintptr_t pointer = ((uintptr_t)room + total_size + alignment - 1) & -alignment;
  struct thread* thread = (struct thread*)pointer;
  if (total_size != 0) {
    memset((char*)pointer - total_size, 0, total_size);
    memcpy((char*)pointer - total_size, initial_image, initial_size);
  }
  memset(thread, 0, sizeof(*thread));
  thread->self = thread;
  thread->handle = handle;
  zx_cprng_draw(&thread->canary, sizeof(thread->canary));
  thread->canary &= ~(uintptr_t)0xff;  // a string that runs over it ends there
  return thread;
}

HIDDEN void __jx_set_thread_pointer(struct thread* thread) {
  uintptr_t value = (uintptr_t)thread;
  zx_status_t status = ZX_ERR_BAD_HANDLE;
  if (thread->handle != ZX_HANDLE_INVALID) {
    status = zx_object_set_property(thread->handle, ZX_PROP_REGISTER_FS, &value, sizeof(value));
  }
  if (status != ZX_OK) {
    // A thread without a handle to itself.
    __asm__ volatile("wrfsbase %0" : : "r"(value));
  }
}
