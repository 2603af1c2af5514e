// Checks what C++ needs of the start library: constructors, static variables, new, virtual calls, templates.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/status.h>
#include <zircon/syscalls.h>

namespace {

class Shape {
 public:
  virtual ~Shape() { printf("~Shape\n"); }
  virtual int area() const = 0;
};

class Square final : public Shape {
 public:
  explicit Square(int side) : side_(side) {}
  ~Square() override { printf("~Square\n"); }
  int area() const override { return side_ * side_; }

 private:
  int side_;
};

struct Global {
  Global() : text("constructed") {}
  ~Global() { printf("global destroyed\n"); }
  const char* text;
};

Global global;
thread_local int counter = 5;

const Square& square() {
  static Square once(3);
  return once;
}

template <typename T, typename... Rest>
T sum(T first, Rest... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return first;
  } else {
    return first + sum(rest...);
  }
}

}  // namespace

int main(int argc, char** argv) {
  printf("%s %d %s\n", global.text, argc, argv[0]);
  printf("%d %d\n", square().area(), square().area());
  Shape* shape = new Square(4);
  printf("%d\n", shape->area());
  delete shape;
  int* numbers = new int[100]();
  printf("%d %d\n", numbers[99], sum(1, 2, 3));
  delete[] numbers;
  counter++;
  printf("%d %s\n", counter, zx_status_get_string(ZX_ERR_BAD_HANDLE));
  mtx_t lock = {};
  mtx_lock(&lock);
  mtx_unlock(&lock);
  return zx_process_self() == ZX_HANDLE_INVALID;
}
