"""Two processes that share one half of their address space and keep the other to themselves.

The prototype is made to be shared: it holds the upper half, with one page in it. Two processes made from it count in that page
together, and each in a page of its own, at the same address of its restricted half.
"""

from __future__ import annotations

import jacinth
from jacinth import Body, ProcessOptions, Signals, VmarFlags, Vmo

PAGE = 4096
ROUNDS = 100
PRIVATE_ADDRESS = 0x1000_0000
READ_WRITE = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE


def add(zx: Body, address: int, amount: int) -> int:
    """Add to the number at an address. Nothing else runs in between: bodies take turns only where they await."""
    value = int.from_bytes(zx.load(address, 8), "little") + amount
    zx.store(address, value.to_bytes(8, "little"))
    return value


async def count(zx: Body, number: int, shared: int) -> int:
    """Both processes run this."""
    for _ in range(ROUNDS):
        add(zx, shared, 1)
        add(zx, PRIVATE_ADDRESS, number)
        await zx.thread_legacy_yield(0)
    while add(zx, shared, 0) < 2 * ROUNDS:
        await zx.thread_legacy_yield(0)
    print(
        f"{zx.process.name}: the shared page says {add(zx, shared, 0)}, mine says {add(zx, PRIVATE_ADDRESS, 0)}"
    )
    return number


def main() -> None:
    with jacinth.Kernel() as k:
        prototype, shared_vmar = k.root_job.create_child_process("prototype", ProcessOptions.SHARED)
        shared = shared_vmar.map(0, Vmo.create(PAGE), 0, PAGE, READ_WRITE)

        processes = []
        for number, name in enumerate(("one", "two"), start=1):
            process, restricted_vmar = prototype.create_shared(name)
            offset = PRIVATE_ADDRESS - restricted_vmar.info.base
            restricted_vmar.map(offset, Vmo.create(PAGE), 0, PAGE, READ_WRITE | VmarFlags.SPECIFIC)
            process.start_body(count, number, shared)
            processes.append(process)

        for process in processes:
            process.wait(Signals.PROCESS_TERMINATED)
            print(f"{process.name} ended with {process.info.return_code}")


if __name__ == "__main__":
    main()
