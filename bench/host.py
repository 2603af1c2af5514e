"""The host's raw calls against the nearest calls of the operating system, made from Python in the same run."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench.row import Row, best
from jacinth import Kernel
from jacinth.abi import ZX_RIGHT_SAME_RIGHTS

_COUNT = 50_000


def rows() -> Iterator[Row]:
    with Kernel(memory=64 << 20) as kernel:
        zx = kernel.host.sys
        _, event = zx.zx_event_create(0)

        def duplicate() -> None:
            make, close = zx.zx_handle_duplicate, zx.zx_handle_close
            for _ in range(_COUNT):
                close(make(event, ZX_RIGHT_SAME_RIGHTS)[1])

        def dup() -> None:
            make, close = os.dup, os.close
            for _ in range(_COUNT):
                close(make(0))

        ours, theirs = best(duplicate, _COUNT), best(dup, _COUNT)
        note = f"{ours * 1e6:.2f} us against {theirs * 1e6:.2f} us"
        yield Row("host handle_duplicate+handle_close / os.dup+os.close", ours / theirs, "x", 4, note=note)

        _, one, other = zx.zx_channel_create(0)
        message = bytes(64)

        def channel() -> None:
            write, read = zx.zx_channel_write, zx.zx_channel_read
            for _ in range(_COUNT):
                write(one, 0, message, ())
                read(other, 0, 64, 0)

        read_end, write_end = os.pipe()

        def pipe() -> None:
            write, read = os.write, os.read
            for _ in range(_COUNT):
                write(write_end, message)
                read(read_end, 64)

        ours, theirs = best(channel, _COUNT), best(pipe, _COUNT)
        os.close(read_end)
        os.close(write_end)
        note = f"{ours * 1e6:.2f} us against {theirs * 1e6:.2f} us"
        yield Row("host channel write+read of 64 bytes / pipe write+read", ours / theirs, "x", 6, note=note)
