// The memory allocator: blocks of a power of two bytes on free lists, carved from VMOs; large blocks are VMOs
// of their own.

#include <stdlib.h>
#include <string.h>

#include "internal.h"

// Lies before every block that a program holds.
struct block {
  size_t usable;    // bytes behind this header
  uint32_t class;   // log2 of the size of the whole, or LARGE
  uint32_t offset;  // from the start of the whole to this header: not 0 in aligned blocks
};

struct free_block {
  struct free_block* next;
};

enum { SMALLEST = 5, LARGEST = 16, LARGE = 64, PAGE = 4096 };
#define CHUNK_SIZE ((size_t)256 * 1024)

static struct free_block* free_lists[LARGEST + 1];
static char *chunk, *chunk_end;
static mtx_t lock;

static void* map_pages(size_t size) {
  zx_handle_t vmo;
  zx_vaddr_t address = 0;
  if (zx_vmo_create(size, 0, &vmo) != ZX_OK) return NULL;
  zx_status_t status =
      zx_vmar_map(__jx_vmar_root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, size, &address);
  zx_handle_close(vmo);
  return status == ZX_OK ? (void*)address : NULL;
}

static void* allocate_large(size_t size) {
  if (size > PTRDIFF_MAX - PAGE - sizeof(struct block)) return NULL;
  size_t whole = (size + sizeof(struct block) + PAGE - 1) & -(size_t)PAGE;
  struct block* block = map_pages(whole);
  if (block == NULL) return NULL;
  *block = (struct block){whole - sizeof(struct block), LARGE, 0};
  return block + 1;
}

void* malloc(size_t size) {
  if (size > ((size_t)1 << LARGEST) - sizeof(struct block)) return allocate_large(size);
  uint32_t class = SMALLEST;
  while (((size_t)1 << class) - sizeof(struct block) < size) class++;
  size_t whole = (size_t)1 << class;
  mtx_lock(&lock);
  void* found = free_lists[class];
  if (found != NULL) {
    free_lists[class] = free_lists[class]->next;
  } else {
    if ((size_t)(chunk_end - chunk) < whole) {
      // What is left of the old chunk, at most 64 KiB, is given up; its pages were mostly never touched.
      char* fresh = map_pages(CHUNK_SIZE);
      if (fresh != NULL) chunk = fresh, chunk_end = fresh + CHUNK_SIZE;
    }
    if ((size_t)(chunk_end - chunk) >= whole) {
      found = chunk;
      chunk += whole;
    }
  }
  mtx_unlock(&lock);
  if (found == NULL) return NULL;
  struct block* block = found;
  *block = (struct block){whole - sizeof(struct block), class, 0};
  return block + 1;
}

void free(void* memory) {
  if (memory == NULL) return;
  struct block* block = (struct block*)memory - 1;
  uint32_t class = block->class;
  char* whole = (char*)block - block->offset;
  if (class == LARGE) {
    size_t size = block->usable + sizeof(struct block) + block->offset;
    zx_vmar_unmap(__jx_vmar_root, (zx_vaddr_t)whole, size);
    return;
  }
  mtx_lock(&lock);
  struct free_block* freed = (struct free_block*)whole;
  freed->next = free_lists[class];
  free_lists[class] = freed;
  mtx_unlock(&lock);
}

void* calloc(size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  void* memory = malloc(total);
  // A large block is fresh from the kernel, and zero.
  if (memory != NULL && ((struct block*)memory - 1)->class != LARGE) memset(memory, 0, total);
  return memory;
}

void* realloc(void* memory, size_t size) {
  if (memory == NULL) return malloc(size);
  size_t usable = ((struct block*)memory - 1)->usable;
  if (size <= usable && size >= usable / 4) return memory;
  void* moved = malloc(size);
  if (moved == NULL) return NULL;
  memcpy(moved, memory, size < usable ? size : usable);
  free(memory);
  return moved;
}

void* aligned_alloc(size_t alignment, size_t size) {
  if (alignment <= sizeof(struct block)) return malloc(size);
  if ((alignment & (alignment - 1)) != 0 || size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size) return NULL;
  char* memory = malloc(size + alignment);
  if (memory == NULL) return NULL;
  size_t distance = -(uintptr_t)memory & (alignment - 1);
  if (distance == 0) return memory;
  // The distance has room for a second header: both addresses are multiples of 16.
  struct block* whole = (struct block*)memory - 1;
  struct block* block = (struct block*)(memory + distance) - 1;
  *block = (struct block){whole->usable - distance, whole->class, (uint32_t)distance};
  return block + 1;
}
