"""All implemented calls: importing this registers them with the door."""

from jacinth.syscalls import (  # noqa: F401
    channel,
    clock,
    cprng,
    debug,
    door,
    event,
    fifo,
    futex,
    handle,
    job,
    object,
    object_info,
    object_property,
    object_wait,
    port,
    process,
    socket,
    task,
    thread,
    timer,
    vmar,
    vmo,
)

door.install_methods()
