// Handles that close themselves: a server in a thread of its own, behind a channel, and an event that goes along with each request.
//
//   jacinth cc examples/cxx/handles.cc -o handles
//   jacinth run ./handles

#include <threads.h>
#include <zircon/process.h>

#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

#include "../c/check.h"

// Owns a handle: it can be moved, not copied, and is closed with its owner.
class Handle {
 public:
  Handle() = default;
  explicit Handle(zx_handle_t value) : value_(value) {}
  Handle(Handle&& other) noexcept : value_(other.release()) {}
  Handle& operator=(Handle other) noexcept { return std::swap(value_, other.value_), *this; }
  ~Handle() { zx_handle_close(value_); }

  zx_handle_t get() const { return value_; }
  zx_handle_t* out() { return &value_; }  // for the call that makes it
  zx_handle_t release() { return std::exchange(value_, ZX_HANDLE_INVALID); }

 private:
  zx_handle_t value_ = ZX_HANDLE_INVALID;
};

struct Request {
  std::uint32_t number;
  Handle answered;  // an event
};

// Nothing once the other end is closed.
static std::optional<Request> receive(const Handle& channel) {
  zx_signals_t seen;
  CHECK(zx_object_wait_one(channel.get(), ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, ZX_TIME_INFINITE, &seen));
  if (!(seen & ZX_CHANNEL_READABLE)) return std::nullopt;
  Request request;
  std::uint32_t size, count;
  CHECK(zx_channel_read(channel.get(), 0, &request.number, request.answered.out(), sizeof(request.number), 1, &size, &count));
  return request;
}

static int serve(void* argument) {
  Handle channel = std::move(*static_cast<Handle*>(argument));
  while (auto request = receive(channel)) {
    std::uint32_t answer = request->number * request->number;
    CHECK(zx_channel_write(channel.get(), 0, &answer, sizeof(answer), nullptr, 0));
    CHECK(zx_object_signal(request->answered.get(), 0, ZX_EVENT_SIGNALED));
  }
  printf("server: the other end is closed\n");
  return 0;
}

static std::uint32_t square(const Handle& channel, std::uint32_t number) {
  Handle event, copy;
  CHECK(zx_event_create(0, event.out()));
  CHECK(zx_handle_duplicate(event.get(), ZX_RIGHT_SAME_RIGHTS, copy.out()));
  zx_handle_t sent = copy.release();  // the call takes it, whatever it answers
  CHECK(zx_channel_write(channel.get(), 0, &number, sizeof(number), &sent, 1));
  CHECK(zx_object_wait_one(event.get(), ZX_EVENT_SIGNALED, ZX_TIME_INFINITE, nullptr));
  std::uint32_t answer, size;
  CHECK(zx_channel_read(channel.get(), 0, &answer, nullptr, sizeof(answer), 0, &size, nullptr));
  return answer;
}

static std::uint32_t open_handles() {
  zx_info_process_handle_stats_t stats;
  CHECK(zx_object_get_info(zx_process_self(), ZX_INFO_PROCESS_HANDLE_STATS, &stats, sizeof(stats), nullptr, nullptr));
  return std::accumulate(std::begin(stats.handle_count), std::end(stats.handle_count), 0u);
}

int main() {
  const std::uint32_t before = open_handles();
  Handle ours, theirs;
  CHECK(zx_channel_create(0, ours.out(), theirs.out()));
  thrd_t server;
  if (thrd_create(&server, serve, &theirs) != thrd_success) return 1;
  for (std::uint32_t number = 1; number <= 3; number++) printf("%u squared is %u\n", number, square(ours, number));
  ours = Handle();
  thrd_join(server, nullptr);
  printf("handles left open: %u\n", open_handles() - before);
}
