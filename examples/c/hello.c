// Says hello, and what the program was started with.
//
//   jacinth cc examples/c/hello.c -o hello
//   jacinth run ./hello one two

#include <stdio.h>
#include <unistd.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>

int main(int argc, char** argv) {
  printf("hello, world\n");
  printf("argc = %d\n", argc);
  for (int i = 0; i < argc; i++) printf("argv[%d] = %s\n", i, argv[i]);
  for (char** entry = environ; *entry != NULL; entry++) printf("environment: %s\n", *entry);

  char name[ZX_MAX_NAME_LEN] = "";
  zx_status_t status = zx_object_get_property(zx_process_self(), ZX_PROP_NAME, name, sizeof(name));
  if (status == ZX_OK) {
    printf("process \"%s\"\n", name);
  } else {
    fprintf(stderr, "no name: %s\n", zx_status_get_string(status));
  }
  return 0;
}
