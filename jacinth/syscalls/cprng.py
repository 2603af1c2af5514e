"""`zx_cprng_*`. Source: docs/reference/syscalls/cprng_*.md; order from lib/syscalls/cprng.rs."""

from __future__ import annotations

from typing import Final

from jacinth.abi import ZX_CPRNG_ADD_ENTROPY_MAX_LEN, Status, ZxError
from jacinth.syscalls.door import Call, UserIn, UserOut, syscall

# How many bytes are made at once.
_PIECE: Final = 64 << 10


@syscall
def zx_cprng_draw(call: Call, buffer: UserOut, buffer_size: int) -> None:
    """Fill a buffer of any size with random bytes: the host's, or with a seed those that follow from it.

    Errors: INVALID_ARGS buffer, NO_MEMORY, where its first part may be filled already.
    """
    for offset in range(0, buffer_size, _PIECE):
        buffer.write(call.kernel.entropy(min(_PIECE, buffer_size - offset)), offset)


@syscall
def zx_cprng_add_entropy(call: Call, buffer: UserIn, buffer_size: int) -> None:
    """Offer random bytes to the kernel, which has a source of its own, or a seed to keep to, and drops them.

    Errors, in order: INVALID_ARGS more than ZX_CPRNG_ADD_ENTROPY_MAX_LEN bytes, buffer.
    """
    if buffer_size > ZX_CPRNG_ADD_ENTROPY_MAX_LEN:
        raise ZxError(Status.INVALID_ARGS)
    buffer.read(buffer_size)
