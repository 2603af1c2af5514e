// Two threads: one writes messages to a channel, the other is told of them by a port.

#include <inttypes.h>
#include <string.h>
#include <threads.h>

#include "check.h"

#define MESSAGES 5

static int produce(void* argument) {
  zx_handle_t channel = *(zx_handle_t*)argument;
  for (uint32_t i = 1; i <= MESSAGES; i++) {
    CHECK(zx_channel_write(channel, 0, &i, sizeof(i), NULL, 0));
    zx_nanosleep(zx_deadline_after(ZX_MSEC(1)));
  }
  zx_handle_close(channel);
  return 0;
}

int main(void) {
  zx_handle_t in, out, port;
  CHECK(zx_channel_create(0, &in, &out));
  CHECK(zx_port_create(0, &port));

  thrd_t producer;
  if (thrd_create(&producer, produce, &in) != thrd_success) return 1;

  uint32_t sum = 0;
  for (;;) {
    CHECK(zx_object_wait_async(out, port, 42, ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, 0));
    zx_port_packet_t packet;
    CHECK(zx_port_wait(port, ZX_TIME_INFINITE, &packet));
    if (!(packet.signal.observed & ZX_CHANNEL_READABLE)) break;
    uint32_t value, size;
    CHECK(zx_channel_read(out, 0, &value, NULL, sizeof(value), 0, &size, NULL));
    printf("packet %" PRIu64 ": message %u\n", packet.key, value);
    sum += value;
  }
  thrd_join(producer, NULL);
  printf("peer closed, sum %u\n", sum);
  return 0;
}
