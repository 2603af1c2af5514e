from __future__ import annotations

import os

import pytest

from jacinth.machine.memory import PAGE_SIZE, OutOfMemory, PhysicalMemory


@pytest.mark.parametrize("limit", [0, -PAGE_SIZE, 1, PAGE_SIZE + 1])
def test_a_limit_that_is_no_whole_number_of_pages_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="memory limit"):
        PhysicalMemory(limit)


def test_frames_are_handed_out_in_order_and_zeroed() -> None:
    memory = PhysicalMemory(8 * PAGE_SIZE)
    assert [memory.allocate() for _ in range(4)] == [0, 1, 2, 3]
    memory.write(2, 100, b"secret")
    assert memory.read(2, 98, 10) == b"\0\0secret\0\0"
    memory.free(2)
    assert memory.allocate() == 2
    assert memory.read(2, 0, PAGE_SIZE) == bytes(PAGE_SIZE)
    memory.close()


def test_the_limit_holds_and_is_given_back() -> None:
    memory = PhysicalMemory(3 * PAGE_SIZE)
    frames = [memory.allocate() for _ in range(3)]
    with pytest.raises(OutOfMemory):
        memory.allocate()
    assert memory.allocated == 3
    for frame in frames:
        memory.free(frame)
    assert memory.allocated == 0
    assert sorted(memory.allocate() for _ in range(3)) == frames
    memory.close()


def test_page_tables_are_counted_apart() -> None:
    memory = PhysicalMemory(PAGE_SIZE)
    table = memory.allocate_table()
    assert (memory.allocated, memory.overhead) == (0, 1)
    assert table >= memory.frames
    memory.free_table(table)
    assert memory.overhead == 0
    memory.close()


def test_a_sparse_memory_costs_the_host_only_what_was_written_and_trim_gives_it_back() -> None:
    memory = PhysicalMemory(1 << 32)
    frames = [memory.allocate() for _ in range(10)]
    for frame in frames:
        memory.write(frame, 0, b"x")
    assert os.fstat(memory.fd).st_blocks * 512 in (
        10 * PAGE_SIZE,
        16 * PAGE_SIZE,
    )  # the host is asked for 16 at once
    for frame in frames:
        memory.free(frame)
    memory.trim()
    assert os.fstat(memory.fd).st_blocks == 0
    memory.close()


def test_writing_and_freeing_a_frame_with_code_tells_the_engine() -> None:
    memory = PhysicalMemory(4 * PAGE_SIZE)
    dropped: list[int] = []
    memory.drop_code = dropped.append
    plain, code = memory.allocate(), memory.allocate()
    memory.code_frames[code] = 1
    memory.write(plain, 0, b"x")
    memory.write(code, 0, b"x")
    memory.free(code)
    assert dropped == [code, code]
    assert memory.allocate() == code
    memory.write(code, 0, b"x")
    assert dropped == [code, code]
    memory.close()


def test_close_returns_the_descriptor() -> None:
    before = os.listdir("/proc/self/fd")
    memory = PhysicalMemory(PAGE_SIZE)
    memory.close()
    memory.close()
    assert os.listdir("/proc/self/fd") == before
