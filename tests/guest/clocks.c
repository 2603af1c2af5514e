// A clock that is mapped: read through its page, while it is updated, and when its handle is gone.

#include <string.h>
#include <zircon/process.h>
#include <zircon/syscalls/clock.h>

#include "sentences.h"

#define PAGE 4096ul

static zx_handle_t clock;
static void* page;

static void update(uint64_t options, int64_t value, int64_t reference, int32_t rate) {
  zx_clock_update_args_v2_t args;
  memset(&args, 0, sizeof(args));
  args.synthetic_value = value;
  args.reference_value = reference;
  args.rate_adjust = rate;
  OK(zx_clock_update(clock, (2ul << ZX_CLOCK_ARGS_VERSION_SHIFT) | options, &args));
}

// What the page says, between two readings of the handle.
static void same(void) {
  zx_time_t before = 0, mapped = 0, after = 0;
  OK(zx_clock_read(clock, &before));
  OK(zx_clock_read_mapped(page, &mapped));
  OK(zx_clock_read(clock, &after));
  TRUE(before <= mapped && mapped <= after);
}

int main(void) {
  say("mapped");
  size_t size = 0;
  zx_vaddr_t address = 0;
  OK(zx_clock_create(ZX_CLOCK_OPT_MAPPABLE, NULL, &clock));
  OK(zx_object_get_info(clock, ZX_INFO_CLOCK_MAPPED_SIZE, &size, sizeof(size), NULL, NULL));
  OK(zx_vmar_map_clock(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, clock, size, &address));
  page = (void*)address;
  same();

  say("set");
  update(ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID, 1000000000000, 0, 0);
  same();

  say("turned");
  for (int rate = -1000; rate <= 1000; rate += 250) {
    update(ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID, 0, 0, rate);
    zx_nanosleep(zx_deadline_after(1234567));
    same();
  }

  say("before_its_reference");
  update(ZX_CLOCK_UPDATE_OPTION_BOTH_VALUES_VALID, 5000000000000, zx_clock_get_monotonic() + 777777777, 0);
  update(ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID | ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID, 0,
         zx_clock_get_monotonic() + 777777777, 333);
  same();

  say("details");
  zx_clock_details_v1_t details, other;
  memset(&details, 0, sizeof(details));
  memset(&other, 0, sizeof(other));
  OK(zx_clock_get_details(clock, 1ul << ZX_CLOCK_ARGS_VERSION_SHIFT, &other));
  OK(zx_clock_get_details_mapped(page, 1ul << ZX_CLOCK_ARGS_VERSION_SHIFT, &details));
  TRUE(details.reference_to_synthetic.rate.synthetic_ticks == 1000333);
  TRUE(details.query_reference_ticks >= other.query_reference_ticks);
  other.query_reference_ticks = details.query_reference_ticks;
  TRUE(memcmp(&details, &other, sizeof(details)) == 0);
  EXPECT(ZX_ERR_INVALID_ARGS, zx_clock_get_details_mapped(page, 0, &details));
  EXPECT(ZX_ERR_INVALID_ARGS, zx_clock_get_details_mapped(page, 1ul << ZX_CLOCK_ARGS_VERSION_SHIFT, NULL));

  say("without_its_handle");
  zx_time_t first = 0, second = 0;
  OK(zx_handle_close(clock));
  OK(zx_clock_read_mapped(page, &first));
  zx_nanosleep(zx_deadline_after(1000000));
  OK(zx_clock_read_mapped(page, &second));
  TRUE(second - first >= 1000000);
  say(NULL);
  return 0;
}
