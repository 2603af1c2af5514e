"""The C part of the native engine (_native.c): stub processes, and the pages shared with them."""

SUPPORTED: int
XSAVE_SIZE: int
MAX_CPUS: int
ENTRY: int
STUB: int
STUB_END: int
GUEST_BASE: int
GUEST_END: int
FD_MEMORY: int
FD_MEMORY_READ: int
MAX_ORDERS: int
GO_RETURN: int
GO_LOAD: int
GO_SERVE: int
KIND: int
KIND_CALL: int
KIND_STEPPED_CALL: int
KIND_SIGNAL: int
KIND_KICK: int
SIGNAL: int
FS_BASE: int
REGS: int
REGS_END: int
XSAVE: int
KICK_SIGNAL: int

class Stub:
    ended: bool
    pid: int

    def __new__(cls, memory: int, memory_read: int, image: int, affinity: tuple[int, ...], /) -> Stub: ...
    def order(self, script: bytes, spins: int, /) -> bool | None: ...
    def prepare(self, cpu: int, script: bytes, spins: int, /) -> bool | None: ...
    def slot(self, cpu: int, /) -> memoryview: ...
    def kick(self, cpu: int, /) -> None: ...
    def kill(self) -> None: ...

class Cpus:
    def __new__(cls, count: int, /) -> Cpus: ...
    def go(self, stub: Stub, cpu: int, command: int, guest_spins: int, /) -> None: ...
    def wait(self, spins: int, deadline: int, /) -> int: ...
    def resume(
        self, stub: Stub, cpu: int, command: int, guest_spins: int, spins: int, deadline: int, /
    ) -> int: ...
    def idle(self, cpu: int, /) -> None: ...
    def back(self, cpu: int, /) -> int | None: ...

def make_image() -> int: ...
def tsc() -> int: ...
def tsc_mult() -> int: ...
