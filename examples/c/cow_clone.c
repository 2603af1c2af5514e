// A copy-on-write clone: nothing is copied until somebody writes.

#include <inttypes.h>
#include <string.h>

#include "check.h"

#define PAGE 4096ul
#define PAGES 8

static uint64_t committed(zx_handle_t vmo) {
  zx_info_vmo_t info;
  CHECK(zx_object_get_info(vmo, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL));
  return info.committed_bytes / PAGE;
}

static void show(const char* when, zx_handle_t parent, zx_handle_t clone) {
  char a[8] = "", b[8] = "";
  CHECK(zx_vmo_read(parent, a, 0, sizeof(a)));
  CHECK(zx_vmo_read(clone, b, 0, sizeof(b)));
  printf("%-20s parent \"%s\" clone \"%s\"\n", when, a, b);
}

int main(void) {
  zx_handle_t parent, clone;
  CHECK(zx_vmo_create(PAGES * PAGE, 0, &parent));
  for (uint64_t i = 0; i < PAGES; i++) CHECK(zx_vmo_write(parent, "before", i * PAGE, 7));
  printf("pages committed in the parent: %" PRIu64 "\n", committed(parent));

  CHECK(zx_vmo_create_child(parent, ZX_VMO_CHILD_SNAPSHOT, 0, PAGES * PAGE, &clone));
  show("after the snapshot:", parent, clone);
  CHECK(zx_vmo_write(clone, "mine", 0, 5));
  show("clone has written:", parent, clone);
  CHECK(zx_vmo_write(parent, "after", 0, 6));
  show("parent has written:", parent, clone);

  zx_signals_t signals;
  CHECK(zx_handle_close(clone));
  CHECK(zx_object_wait_one(parent, ZX_VMO_ZERO_CHILDREN, 0, &signals));
  printf("the parent has no children any more\n");
  return 0;
}
