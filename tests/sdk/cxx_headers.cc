// Checks itself: what of the compiler's C++ library works, and what the compiler calls by itself.

#include <algorithm>
#include <any>
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <compare>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <forward_list>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <queue>
#include <ranges>
#include <span>
#include <stack>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <stdlib.h>
#include <threads.h>
#include <zircon/syscalls.h>

namespace {

int failures;

#define EXPECT(condition)                                                   \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::printf("%d: %s\n", __LINE__, #condition);                        \
      failures++;                                                           \
    }                                                                       \
  } while (0)

// Constructed in the order of their text, destroyed in the reverse.
struct Noted {
  explicit Noted(const char* name) : name(name) { std::printf("+%s\n", name); }
  ~Noted() { std::printf("-%s\n", name); }
  const char* name;
};

Noted first("first"), second("second");
[[gnu::init_priority(1000)]] Noted early("early");

struct alignas(256) Aligned {
  char bytes[256];
};

void test_new() {
  auto aligned = std::make_unique<Aligned>();
  EXPECT(reinterpret_cast<std::uintptr_t>(aligned.get()) % 256 == 0);
  auto* array = new Aligned[3];
  EXPECT(reinterpret_cast<std::uintptr_t>(array) % 256 == 0);
  delete[] array;
  EXPECT(operator new(std::size_t{1} << 50, std::nothrow) == nullptr);
  delete new (std::nothrow) int(3);

  alignas(Noted) std::byte room[sizeof(Noted)];
  auto* placed = new (room) Noted("placed");
  EXPECT(static_cast<void*>(placed) == room);
  placed->~Noted();
}

// Several threads come at once, one constructs, and the others wait for it.
std::atomic<int> constructions, entered;

struct Slow {
  Slow() {
    constructions++;
    while (entered.load() < 4) zx_nanosleep(zx_deadline_after(ZX_USEC(100)));
    zx_nanosleep(zx_deadline_after(ZX_MSEC(2)));
    ready = true;
  }
  bool ready = false;
};

int use_slow(void* seen) {
  entered++;
  static Slow slow;
  *static_cast<bool*>(seen) = slow.ready;
  return 0;
}

void test_local_static() {
  std::array<thrd_t, 4> threads;
  std::array<bool, 4> ready{};
  for (std::size_t i = 0; i < threads.size(); i++) EXPECT(thrd_create(&threads[i], use_slow, &ready[i]) == 0);
  for (thrd_t thread : threads) thrd_join(thread, nullptr);
  EXPECT(constructions == 1);
  EXPECT(std::ranges::all_of(ready, std::identity{}));
}

// References to a shared object are counted right by threads that run at once.
constexpr int kRounds = 20000;

int copy_references(void* argument) {
  auto& shared = *static_cast<std::shared_ptr<int>*>(argument);
  for (int i = 0; i < kRounds; i++) std::shared_ptr<int> copy = shared;
  return 0;
}

void test_memory() {
  auto shared = std::make_shared<int>(5);
  std::weak_ptr<int> weak = shared;
  thrd_t threads[2];
  for (auto& thread : threads) EXPECT(thrd_create(&thread, copy_references, &shared) == 0);
  for (auto& thread : threads) thrd_join(thread, nullptr);
  EXPECT(shared.use_count() == 1 && *weak.lock() == 5);
  shared.reset();
  EXPECT(weak.expired());

  bool freed = false;
  {
    auto mark = [&freed](int* number) { delete number, freed = true; };
    std::unique_ptr<int, decltype(mark)> owned(new int(1), mark);
    auto moved = std::move(owned);
    EXPECT(!owned && *moved == 1 && !freed);
  }
  EXPECT(freed);
}

void test_containers() {
  std::vector<int> numbers(100);
  std::iota(numbers.rbegin(), numbers.rend(), 0);
  std::sort(numbers.begin(), numbers.end());
  EXPECT(std::ranges::is_sorted(numbers) && numbers.front() == 0 && numbers.back() == 99);
  EXPECT(std::accumulate(numbers.begin(), numbers.end(), 0) == 4950);
  numbers.insert(numbers.begin(), {7, 8, 9});
  EXPECT(std::binary_search(numbers.begin() + 3, numbers.end(), 42));
  std::span<const int> middle = std::span(numbers).subspan(1, 2);
  EXPECT(middle[0] == 8 && middle.size() == 2);
#if !defined(__clang__) || __clang_major__ >= 16  // those before do not understand libstdc++'s views
  int odd = 0;
  for (int n : numbers | std::views::filter([](int n) { return n % 2 != 0; }) | std::views::take(3)) odd += n;
  EXPECT(odd == 7 + 9 + 1);
#endif

  std::deque<int> both_ends;
  for (int i = 0; i < 1000; i++) both_ends.push_front(i), both_ends.push_back(-i);
  EXPECT(both_ends.size() == 2000 && both_ends[0] == 999 && both_ends.back() == -999);
  std::priority_queue<int> largest(numbers.begin(), numbers.end());
  std::stack<int> stack;
  for (stack.push(1); largest.top() > 97; largest.pop()) stack.push(largest.top());
  EXPECT(stack.size() == 3 && stack.top() == 98);
  std::forward_list<int> few = {4, 5};
  few.push_front(3);
  EXPECT(few.front() == 3 && std::distance(few.begin(), few.end()) == 3);

  std::string text = "zircon";
  for (int i = 0; i < 10; i++) text += " " + std::to_string(i);
  EXPECT(text == "zircon 0 1 2 3 4 5 6 7 8 9" && text.find("8 9") == 23);
  std::string_view view = text;
  EXPECT(view.substr(0, 6) == "zircon" && view.starts_with("zir") && view.rfind(' ') == 24);
  EXPECT(std::bitset<70>(5).count() == 2);
}

void test_values() {
  std::optional<std::string> nothing, something = "something long enough to be allocated";
  EXPECT(!nothing && something->size() == 37 && nothing.value_or("x") == "x");
  std::variant<int, std::string> either = std::string("text");
  EXPECT(std::holds_alternative<std::string>(either));
  EXPECT(std::visit([](const auto& value) { return sizeof(value); }, either) == sizeof(std::string));
  std::any anything = 5;
  EXPECT(*std::any_cast<int>(&anything) == 5);
  auto [number, name] = std::tuple(1, "one");
  EXPECT(number == 1 && std::strcmp(name, "one") == 0);
  int captured = 3;
  std::function<int(int)> add = [&captured](int n) { return n + captured; };
  captured = 4;
  EXPECT(add(1) == 5 && std::invoke(add, 2) == 6);
  EXPECT((1 <=> 2) < 0 && std::popcount(0xffu) == 8 && std::bit_cast<std::uint32_t>(1.0f) == 0x3f800000);
  EXPECT(std::abs(-5l) == 5 && std::numeric_limits<std::int64_t>::max() == INT64_MAX);
  static_assert(std::same_as<std::remove_cvref_t<const int&>, int>);

  std::atomic<std::uint64_t> counter{1};
  std::uint64_t expected = 1;
  EXPECT(counter.compare_exchange_strong(expected, 8) && counter.fetch_add(2) == 8 && counter == 10);
  zx_futex_t futex = 0;
  EXPECT(std::atomic_ref(futex).exchange(2) == 0 && futex == 2);
}

// A generator of numbers.
struct Numbers {
  struct promise_type {
    int value;
    Numbers get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(int next) noexcept { return value = next, std::suspend_always{}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept {}
  };
  std::coroutine_handle<promise_type> handle;
};

Numbers count_to(int last) {
  for (int i = 1; i <= last; i++) co_yield i;
}

void test_coroutine() {
  int sum = 0;
  Numbers numbers = count_to(4);
  for (numbers.handle.resume(); !numbers.handle.done(); numbers.handle.resume()) {
    sum += numbers.handle.promise().value;
  }
  numbers.handle.destroy();
  EXPECT(sum == 10);
}

}  // namespace

int main() {
  test_new();
  test_local_static();
  test_memory();
  test_containers();
  test_values();
  test_coroutine();
  std::printf("%d failures\n", failures);
}
