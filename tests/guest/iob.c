// I/O buffers: memory that both endpoints map, blobs with numbers, and a ring of messages.

#include <string.h>
#include <zircon/process.h>
#include <zircon/syscalls-next.h>
#include <zircon/syscalls/iob.h>

#include "sentences.h"

#define PAGE 4096ul
#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define EP0_RW (ZX_IOB_ACCESS_EP0_CAN_MAP_READ | ZX_IOB_ACCESS_EP0_CAN_MAP_WRITE)
#define EP1_RW (ZX_IOB_ACCESS_EP1_CAN_MAP_READ | ZX_IOB_ACCESS_EP1_CAN_MAP_WRITE)

static char* map(zx_handle_t endpoint, uint32_t region, size_t size) {
  zx_vaddr_t address = 0;
  OK(zx_vmar_map_iob(zx_vmar_root_self(), RW, 0, endpoint, region, 0, size, &address));
  return (char*)address;
}

static int closed(zx_handle_t endpoint) {
  zx_signals_t pending = 0;
  zx_object_wait_one(endpoint, ZX_IOB_PEER_CLOSED, 0, &pending);
  return (pending & ZX_IOB_PEER_CLOSED) != 0;
}

int main(void) {
  zx_handle_t one, other, shared;
  uint32_t id = 99;

  say("made");
  OK(zx_iob_create_shared_region(0, 2 * PAGE, &shared));
  zx_iob_region_t regions[3];
  memset(regions, 0, sizeof(regions));
  regions[0].access = EP0_RW | EP1_RW;
  regions[0].size = 100;
  regions[1].access = EP0_RW | ZX_IOB_ACCESS_EP1_CAN_MEDIATED_WRITE;
  regions[1].size = PAGE;
  regions[1].discipline.type = ZX_IOB_DISCIPLINE_TYPE_ID_ALLOCATOR;
  regions[2].type = ZX_IOB_REGION_TYPE_SHARED;
  regions[2].access = EP0_RW | ZX_IOB_ACCESS_EP1_CAN_MEDIATED_WRITE;
  regions[2].discipline.type = ZX_IOB_DISCIPLINE_TYPE_MEDIATED_WRITE_RING_BUFFER;
  regions[2].discipline.reserved[0] = 0x746167;
  zx_iob_region_shared_t extension = {.shared_region = shared};
  memcpy(regions[2].max_extension, &extension, sizeof(extension));
  OK(zx_iob_create(0, regions, 3, &one, &other));

  say("the_same_memory");
  char* here = map(one, 0, PAGE);
  char* there = map(other, 0, PAGE);
  strcpy(here, "from one end to the other");
  TRUE(here != there && strcmp(there, "from one end to the other") == 0);

  say("access_of_each_endpoint");
  zx_vaddr_t nowhere;
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_vmar_map_iob(zx_vmar_root_self(), RW, 0, other, 1, 0, PAGE, &nowhere));
  EXPECT(ZX_ERR_OUT_OF_RANGE, zx_vmar_map_iob(zx_vmar_root_self(), RW, 0, one, 3, 0, PAGE, &nowhere));

  say("numbers");
  uint32_t* ids = (uint32_t*)map(one, 1, PAGE);
  OK(zx_iob_allocate_id(other, 0, 1, "zero", 4, &id));
  TRUE(id == 0);
  OK(zx_iob_allocate_id(other, 0, 1, "one", 3, &id));
  TRUE(id == 1 && ids[0] == 2 && ids[4] == 3 && memcmp((char*)ids + ids[5], "one", 3) == 0);
  EXPECT(ZX_ERR_ACCESS_DENIED, zx_iob_allocate_id(one, 0, 1, "x", 1, &id));
  EXPECT(ZX_ERR_WRONG_TYPE, zx_iob_allocate_id(other, 0, 0, "x", 1, &id));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_iob_allocate_id(other, 0, 1, (void*)8, 1, &id));
  TRUE(ids[0] == 2);

  say("messages");
  uint64_t* ring = (uint64_t*)map(one, 2, 2 * PAGE);
  zx_iovec_t words[] = {{.buffer = (void*)"mess", .capacity = 4}, {.buffer = (void*)"age", .capacity = 3}};
  OK(zx_iob_writev(other, 0, 2, words, 2));
  TRUE(ring[0] == 24 && ring[1] == 0);
  TRUE(ring[PAGE / 8] == 0x746167 && ring[PAGE / 8 + 1] == 7 && memcmp(&ring[PAGE / 8 + 2], "message", 7) == 0);

  say("bad_messages");
  zx_iovec_t null = {.buffer = NULL, .capacity = 3};
  EXPECT(ZX_ERR_NOT_FOUND, zx_iob_writev(other, 0, 2, &null, 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_iob_writev(other, 0, 2, (void*)8, 1));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_iob_writev(other, 0, 2, words, 9));
  ring[1] = 1000;
  EXPECT(ZX_ERR_IO_DATA_INTEGRITY, zx_iob_writev(other, 0, 2, words, 2));
  TRUE(ring[0] == 24);

  say("information");
  zx_info_iob_t info;
  zx_iob_region_info_t infos[3];
  size_t actual = 0;
  OK(zx_object_get_info(other, ZX_INFO_IOB, &info, sizeof(info), NULL, NULL));
  OK(zx_object_get_info(other, ZX_INFO_IOB_REGIONS, infos, sizeof(infos), &actual, NULL));
  TRUE(info.region_count == 3 && actual == 3 && infos[0].region.size == PAGE);
  TRUE(infos[1].region.access == (EP1_RW | ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE));

  say("the_end_of_an_endpoint");
  OK(zx_handle_close(one));
  TRUE(!closed(other));
  OK(zx_vmar_unmap(zx_vmar_root_self(), (zx_vaddr_t)here, PAGE));
  OK(zx_vmar_unmap(zx_vmar_root_self(), (zx_vaddr_t)ids, PAGE));
  TRUE(!closed(other));
  OK(zx_vmar_unmap(zx_vmar_root_self(), (zx_vaddr_t)ring, 2 * PAGE));
  TRUE(closed(other) && strcmp(there, "from one end to the other") == 0);
  say(NULL);
  return 0;
}
