// Binds the system calls: looks every name of the link stub up in the vDSO that this process was given.

#include <jacinth.h>
#include <string.h>
#include <zircon/process.h>
#include <zircon/processargs.h>

#include "elf.h"
#include "internal.h"

// Both from the generated syscalls.S: the names, one behind the other, in the order of the vDSO's symbol
// table as it was when the stub was made; and as many slots, through which the stubs jump.
HIDDEN extern const char __jx_vdso_names[], __jx_vdso_names_end[];
HIDDEN extern uintptr_t __jx_vdso_slots[];

// Stands in for a call that this vDSO does not have.
static int64_t missing(void) { return ZX_ERR_NOT_SUPPORTED; }

static int same(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) a++, b++;
  return *a == *b;
}

static uintptr_t vdso_base;

HIDDEN void __jx_bind_vdso(uintptr_t base) {
  vdso_base = base;
  const Elf64_Ehdr* header = (const Elf64_Ehdr*)base;
  const Elf64_Phdr* segment = (const Elf64_Phdr*)(base + header->e_phoff);
  const Elf64_Dyn* dynamic = NULL;
  for (int i = 0; i < header->e_phnum; i++) {
    if (segment[i].p_type == PT_DYNAMIC) dynamic = (const Elf64_Dyn*)(base + segment[i].p_vaddr);
  }
  const char* strings = NULL;
  const Elf64_Sym* symbols = NULL;
  const uint32_t* hash = NULL;
  for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_STRTAB) strings = (const char*)(base + dynamic->d_val);
    if (dynamic->d_tag == DT_SYMTAB) symbols = (const Elf64_Sym*)(base + dynamic->d_val);
    if (dynamic->d_tag == DT_HASH) hash = (const uint32_t*)(base + dynamic->d_val);
  }
  if (strings == NULL || symbols == NULL || hash == NULL) __builtin_trap();

  // The names mostly come in the order of the symbols, so each search goes on where the last one ended.
  uint32_t count = hash[1], cursor = 0;
  uintptr_t* slot = __jx_vdso_slots;
  for (const char* name = __jx_vdso_names; name < __jx_vdso_names_end; name++) {
    *slot = (uintptr_t)missing;
    for (uint32_t tried = 0; tried < count; tried++) {
      if (++cursor >= count) cursor = 0;
      if (same(name, strings + symbols[cursor].st_name)) {
        *slot = base + symbols[cursor].st_value;
        break;
      }
    }
    slot++;
    while (*name != '\0') name++;
  }
}

uintptr_t jx_vdso_offset(const char* name) {
  uintptr_t* slot = __jx_vdso_slots;
  for (const char* each = __jx_vdso_names; each < __jx_vdso_names_end; each++, slot++) {
    if (same(name, each)) return *slot == (uintptr_t)missing ? 0 : *slot - vdso_base;
    while (*each != '\0') each++;
  }
  return 0;
}

zx_status_t jx_vdso_map(zx_handle_t vmar, zx_vaddr_t* base) {
  const Elf64_Ehdr* header = (const Elf64_Ehdr*)vdso_base;
  const Elf64_Phdr* segment = (const Elf64_Phdr*)(vdso_base + header->e_phoff);
  uint64_t span = 0;
  for (int i = 0; i < header->e_phnum; i++) {
    if (segment[i].p_type == PT_LOAD) span = segment[i].p_vaddr + segment[i].p_memsz;
  }
  const uint64_t page = 4095;
  zx_handle_t region;
  zx_status_t status = zx_vmar_allocate(vmar, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_EXECUTE | ZX_VM_CAN_MAP_SPECIFIC, 0,
                                        (span + page) & ~page, &region, base);
  if (status != ZX_OK) return status;
  zx_handle_t vmo = zx_get_startup_handle(PA_HND(PA_VMO_VDSO, 0));
  for (int i = 0; i < header->e_phnum && status == ZX_OK; i++) {
    if (segment[i].p_type != PT_LOAD) continue;
    uint64_t start = segment[i].p_vaddr & ~page;
    uint64_t end = (segment[i].p_vaddr + segment[i].p_memsz + page) & ~page;
    zx_vm_option_t options = ZX_VM_SPECIFIC | ZX_VM_PERM_READ;
    if (segment[i].p_flags & PF_X) options |= ZX_VM_PERM_EXECUTE;
    zx_vaddr_t mapped;
    status = zx_vmar_map(region, options, start, vmo, start, end - start, &mapped);
  }
  if (status != ZX_OK) zx_vmar_destroy(region);
  zx_handle_close(region);
  return status;
}
