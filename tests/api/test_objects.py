"""The objects, each through what its class offers."""

from __future__ import annotations

import struct
import sys

import pytest

from jacinth import (
    Body,
    Channel,
    DebugLog,
    Event,
    Fifo,
    HandleDisposition,
    HandleOp,
    JobAction,
    JobCondition,
    Kernel,
    ObjType,
    Packet,
    Port,
    Process,
    ProcessOptions,
    Rights,
    SignalPacket,
    Signals,
    Socket,
    SocketReadOpts,
    SocketWriteDisposition,
    Status,
    ThreadStateTopic,
    Timer,
    VmarFlags,
    Vmo,
    VmoChildOptions,
    VmoOp,
    VmoOptions,
    ZxAccessDenied,
    ZxAlreadyExists,
    ZxBadHandle,
    ZxBadState,
    ZxBufferTooSmall,
    ZxInvalidArgs,
    ZxNotFound,
    ZxOutOfRange,
    ZxPeerClosed,
    ZxShouldWait,
    ZxTimedOut,
    ZxWrongType,
    load_elf,
)
from jacinth.abi import ZX_INFO_MAPS_TYPE_MAPPING

PAGE = 4096


# Channels


def test_a_message_carries_bytes_and_objects_of_the_right_class(k: Kernel) -> None:
    one, other = Channel.create()
    vmo = Vmo.create(PAGE)
    koid = vmo.koid
    one.write(b"a page", [vmo])
    assert vmo.is_invalid
    data, [received] = other.read()
    assert data == b"a page" and type(received) is Vmo and received.koid == koid


def test_sent_handles_go_even_when_the_write_fails(k: Kernel) -> None:
    one, other = Channel.create()
    other.close()
    event = Event.create()
    copy = event.duplicate()
    with pytest.raises(ZxPeerClosed):
        one.write(b"", [event])
    assert event.is_invalid and copy.count == 1


def test_a_message_that_does_not_fit_tells_its_sizes(k: Kernel) -> None:
    one, other = Channel.create()
    one.write(bytes(10), [Event.create(), Event.create()])
    with pytest.raises(ZxBufferTooSmall) as caught:
        other.read(max_bytes=5)
    assert caught.value.sizes == (10, 2)


def test_dispositions_say_what_becomes_of_each_handle(k: Kernel) -> None:
    one, other = Channel.create()
    kept, moved = Event.create(), Event.create()
    one.write_etc(
        b"",
        [
            HandleDisposition(HandleOp.DUPLICATE, kept, ObjType.EVENT, Rights.WAIT),
            HandleDisposition(HandleOp.MOVE, moved),
        ],
    )
    assert not kept.is_invalid and moved.is_invalid
    _, infos = other.read_etc()
    assert [info.object_type for info in infos] == [ObjType.EVENT] * 2
    assert infos[0].rights == Rights.WAIT and infos[0].handle.rights == Rights.WAIT


def test_a_failed_disposition_has_its_result(k: Kernel) -> None:
    one, _ = Channel.create()
    dispositions = [
        HandleDisposition(HandleOp.DUPLICATE, Event.create()),
        HandleDisposition(HandleOp.DUPLICATE, Event.create(), ObjType.VMO),
    ]
    with pytest.raises(ZxWrongType):
        one.write_etc(b"", dispositions)
    assert [d.result for d in dispositions] == [Status.OK, Status.WRONG_TYPE]


@pytest.mark.shows("zx_channel_call_etc", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_channel_call_etc", "ZX_ERR_PEER_CLOSED")
def test_a_call_checks_its_message_and_its_deadline(k: Kernel) -> None:
    one, other = Channel.create()
    with pytest.raises(ZxInvalidArgs):
        one.call(b"abc")
    with pytest.raises(ZxTimedOut):
        one.call(bytes(4), deadline=k.deadline_after(1000))
    with pytest.raises(ZxOutOfRange):
        one.call(bytes(65537))
    dispositions = [HandleDisposition(HandleOp.MOVE, Event.create(), ObjType.VMO)]
    with pytest.raises(ZxWrongType):
        one.call_etc(bytes(4), dispositions)
    assert dispositions[0].result is Status.WRONG_TYPE and dispositions[0].handle.is_invalid
    other.close()
    with pytest.raises(ZxPeerClosed):
        one.call(bytes(4))


# Sockets, FIFOs


def test_a_socket_is_a_stream(k: Kernel) -> None:
    one, other = Socket.create()
    assert one.write(b"hello world") == 11
    assert other.read(5, SocketReadOpts.PEEK) == b"hello" == other.read(5)
    assert other.info.rx_buf_size == 6
    other.rx_threshold = 6
    assert other.rx_threshold == 6 and other.wait(Signals.SOCKET_READ_THRESHOLD, 0)
    one.half_close()
    assert other.read() == b" world"
    with pytest.raises(ZxBadState):
        other.read()
    one.set_disposition(SocketWriteDisposition.ENABLED, SocketWriteDisposition.UNCHANGED)
    assert one.write(b"again") == 5


def test_recv_waits_for_what_is_written_and_answers_nothing_at_its_end(k: Kernel) -> None:
    async def writer(zx: Body, socket: Socket[Body]) -> None:
        await zx.nanosleep(await zx.deadline_after(1000))
        await socket.write(b"hello")
        await zx.nanosleep(await zx.deadline_after(1_000_000_000))

    process, _ = k.root_job.create_child_process("writer")
    one, other = Socket.create()
    process.start_body(writer, other)
    assert one.recv(4) == b"hell"
    assert one.recv(deadline=0) == b"o"
    with pytest.raises(ZxTimedOut):
        one.recv(deadline=k.deadline_after(10))
    assert one.recv() == b""  # the writer's end has gone with it
    two, other = Socket.create()
    two.write(b"last")
    two.half_close()
    assert (other.recv(), other.recv()) == (b"last", b"")


def test_sendall_waits_for_room_for_all(k: Kernel) -> None:
    async def reader(zx: Body, socket: Socket[Body]) -> int:
        size = 0
        while data := await socket.recv():
            size += len(data)
        return size

    process, _ = k.root_job.create_child_process("reader")
    one, other = Socket.create()
    room = one.info.tx_buf_max
    process.start_body(reader, other)
    one.sendall(bytes(3 * room + 1))
    one.half_close()
    process.wait(Signals.PROCESS_TERMINATED)
    assert process.info.return_code == 3 * room + 1
    with pytest.raises(ZxPeerClosed):
        one.sendall(b"nobody reads")
    two, _ = Socket.create()
    with pytest.raises(ZxTimedOut):
        two.sendall(bytes(2 * room), k.deadline_after(10))
    two.half_close()
    with pytest.raises(ZxBadState):
        two.sendall(b"more")


def test_a_fifo_counts_in_elements(k: Kernel) -> None:
    one, other = Fifo.create(2, 8)
    assert one.write(8, bytes(range(24))) == 2
    with pytest.raises(ZxShouldWait):
        one.write(8, bytes(8))
    assert other.read(8) == bytes(range(8))
    assert other.read(8, 5) == bytes(range(8, 16))
    for size in (0, 4):
        with pytest.raises(ZxOutOfRange):
            one.write(size, bytes(8))


# Ports, timers, the log


def test_a_port_brings_signals_and_packets_of_ones_own(k: Kernel) -> None:
    port, event = Port.create(), Event.create()
    event.wait_async(port, 7, Signals.EVENT_SIGNALED)
    event.signal(0, Signals.EVENT_SIGNALED)
    port.queue(Packet(8, -5, b"own"))
    signal, own = port.wait(), port.wait()
    assert signal.key == 7 and isinstance(signal.contents, SignalPacket)
    assert signal.contents.observed == signal.contents.trigger == Signals.EVENT_SIGNALED
    assert own == Packet(8, -5, b"own".ljust(32, b"\0")) and own.is_user
    with pytest.raises(ZxTimedOut):
        port.wait(0)


def test_a_wait_is_canceled_by_source_or_by_key(k: Kernel) -> None:
    port, event = Port.create(), Event.create()
    event.wait_async(port, 1, Signals.USER_0)
    port.cancel(event, 1)
    with pytest.raises(ZxNotFound):
        port.cancel(event, 1)
    event.wait_async(port, 1, Signals.USER_0)
    port.cancel_key(1)
    with pytest.raises(ZxNotFound):
        port.cancel_key(1)
    with pytest.raises(ValueError, match="32 bytes"):
        port.queue(Packet(1, 0, bytes(33)))


def test_a_timer_fires_at_its_deadline(k: Kernel) -> None:
    timer = Timer.create()
    deadline = k.deadline_after(5000)
    timer.set(deadline)
    assert timer.info.deadline == deadline
    timer.wait(Signals.TIMER_SIGNALED)
    assert k.now >= deadline
    timer.cancel()
    with pytest.raises(ZxTimedOut):
        timer.wait(Signals.TIMER_SIGNALED, k.deadline_after(5000))


def test_the_log_appears_on_the_console(k: Kernel) -> None:
    lines: list[bytes] = []
    k.console = lines.append
    log = DebugLog.create()
    log.write("hello")
    assert lines[0].endswith(b"> hello\n")
    with pytest.raises(ZxAccessDenied):
        log.read()
    with pytest.raises(ZxBadHandle):
        DebugLog.create(readable=True)


# Memory


def test_a_vmo_is_read_written_and_cloned(k: Kernel) -> None:
    vmo = Vmo.create(PAGE + 1, VmoOptions.RESIZABLE)
    assert vmo.size == 2 * PAGE and vmo.stream_size == PAGE + 1
    vmo.write(b"before", 10)
    child = vmo.create_child(VmoChildOptions.SNAPSHOT, 0, PAGE)
    vmo.write(bytearray(b"after "), 10)
    assert child.read(10, 6) == b"before" and vmo.read(10, 6) == b"after "
    assert vmo.info.num_children == 1
    vmo.op_range(VmoOp.ZERO, 0, PAGE)
    assert vmo.read(10, 6) == bytes(6)
    vmo.set_size(PAGE)
    vmo.set_stream_size(5)
    assert vmo.size == PAGE and vmo.stream_size == 5
    with pytest.raises(ZxOutOfRange):
        vmo.read(PAGE, 1)


def committed(pages: int, options: int = 0) -> Vmo[Kernel]:
    vmo = Vmo.create(pages * PAGE, options)
    vmo.op_range(VmoOp.COMMIT, 0, pages * PAGE)
    return vmo


def test_a_view_shows_what_is_written_later(k: Kernel) -> None:
    vmo = committed(3)
    view = vmo.view()
    assert len(view) == 3 * PAGE and view.readonly and view.tobytes() == bytes(3 * PAGE)
    vmo.write(b"across", PAGE - 3)
    assert view[PAGE - 3 : PAGE + 3] == b"across"
    with pytest.raises(TypeError):
        view[0] = 1


def test_a_view_joins_pages_wherever_their_memory_is(k: Kernel) -> None:
    vmo = Vmo.create(4 * PAGE)
    others = []
    for page in (2, 0, 3, 1):
        vmo.write(bytes([page + 1]) * PAGE, page * PAGE)
        others.append(committed(1))
    assert vmo.view().tobytes() == vmo.read(0, 4 * PAGE)
    piece = vmo.create_child(VmoChildOptions.SLICE, PAGE, 2 * PAGE)
    assert piece.view().tobytes() == b"\2" * PAGE + b"\3" * PAGE


def test_only_what_is_committed_can_be_viewed(k: Kernel) -> None:
    vmo = Vmo.create(2 * PAGE)
    vmo.write(b"one page")
    with pytest.raises(ZxBadState):
        vmo.view()
    assert len(Vmo.create(0).view()) == 0
    secret = committed(1).replace(Rights.WRITE)
    with pytest.raises(ZxAccessDenied):
        secret.view()


def test_pages_keep_their_memory_while_they_are_viewed(k: Kernel) -> None:
    vmo = committed(2, VmoOptions.RESIZABLE)
    view = vmo.view()
    for forbidden in (
        lambda: vmo.op_range(VmoOp.DECOMMIT, 0, PAGE),
        lambda: vmo.set_size(PAGE),
        lambda: vmo.create_child(VmoChildOptions.SNAPSHOT, 0, PAGE),
    ):
        with pytest.raises(ZxBadState):
            forbidden()
    vmo.write(b"x")
    vmo.op_range(VmoOp.ZERO, 0, PAGE)
    assert view[0] == 0
    vmo.set_size(3 * PAGE)
    del view
    vmo.op_range(VmoOp.DECOMMIT, 0, PAGE)
    vmo.set_size(PAGE)


def test_a_view_outlives_the_handle_and_then_the_memory_is_free(k: Kernel) -> None:
    before = k.memory.allocated
    vmo = committed(2)
    vmo.write(b"still here")
    view = vmo.view()
    vmo.close()
    assert view[:10] == b"still here" and k.memory.allocated == before + 2
    del view
    assert k.memory.allocated == before


def test_a_view_is_of_the_vmo_alone_though_a_snapshot_shared_its_pages(k: Kernel) -> None:
    vmo = committed(1)
    vmo.write(b"old")
    child = vmo.create_child(VmoChildOptions.SNAPSHOT, 0, PAGE)
    view = vmo.view()
    vmo.write(b"new")
    assert view[:3] == b"new" and child.read(0, 3) == b"old"


def test_a_view_is_what_the_buffer_protocol_gives(k: Kernel) -> None:
    vmo = committed(1)
    vmo.write(b"data")
    assert vmo.__buffer__(0)[:4] == b"data"
    with pytest.raises(BufferError):
        vmo.__buffer__(1)
    if sys.version_info >= (3, 12):
        assert memoryview(vmo)[:4] == b"data"


def test_pages_move_between_vmos(k: Kernel) -> None:
    source, target = Vmo.create(PAGE), Vmo.create(2 * PAGE)
    source.write(b"moved")
    target.transfer_data(PAGE, PAGE, source, 0)
    assert target.read(PAGE, 5) == b"moved" and source.read(0, 5) == bytes(5)


def test_locking_tells_what_was_discarded(k: Kernel) -> None:
    vmo = Vmo.create(PAGE, VmoOptions.DISCARDABLE)
    state = vmo.op_range(VmoOp.LOCK, 0, PAGE)
    assert state is not None and (state.offset, state.size, state.discarded_size) == (0, PAGE, 0)
    assert vmo.op_range(VmoOp.UNLOCK, 0, PAGE) is None


def test_executable_takes_the_place_of_the_handle(k: Kernel) -> None:
    vmo = Vmo.create(PAGE)
    executable = vmo.replace_as_executable()
    assert vmo.is_invalid and executable.rights & Rights.EXECUTE


def test_a_vmar_maps_and_protects(k: Kernel) -> None:
    process, vmar = k.root_job.create_child_process("mapped")
    vmo = Vmo.create(2 * PAGE)
    can_map = VmarFlags.CAN_MAP_READ | VmarFlags.CAN_MAP_WRITE | VmarFlags.CAN_MAP_SPECIFIC
    child, base = vmar.allocate(0, 16 * PAGE, can_map)
    assert (child.info.base, child.info.len) == (base, 16 * PAGE)
    address = child.map(PAGE, vmo, 0, 2 * PAGE, VmarFlags.PERM_READ | VmarFlags.SPECIFIC)
    assert address == base + PAGE
    assert process.write_memory(address, b"seen") == 4
    assert vmo.read(0, 4) == b"seen" == process.read_memory(address, 4)
    child.protect(address, PAGE, VmarFlags.PERM_READ | VmarFlags.PERM_WRITE)
    assert [entry.base for entry in child.maps()][-1] >= address
    child.unmap(address, 2 * PAGE)
    with pytest.raises(ZxNotFound):
        process.read_memory(address, 1)
    child.destroy()
    with pytest.raises(ZxBadState):
        child.destroy()


def elf(*segments: tuple[int, int, bytes, int], kind: int = 3, entry: int = 0x1008) -> bytes:
    """An ELF file of segments: access as in p_flags, address, content, size in memory."""
    headers, content = b"", b""
    for access, address, data, size in segments:
        content = content.ljust(-(-len(content) // PAGE) * PAGE + address % PAGE, b"-")
        headers += struct.pack(
            "<IIQQQQQQ", 1, access, PAGE + len(content), address, address, len(data), size, PAGE
        )
        content += data
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, kind, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0
    )
    return (header + headers).ljust(PAGE, b"\0") + content


TEXT, DATA, RODATA = (5, 0x1008, b"text", 4), (6, 0x2010, b"data", 2 * PAGE), (4, 0x6000, b"rodata", 6)
BIAS = 0x2000_0000


def test_an_elf_file_is_mapped_segment_by_segment(k: Kernel) -> None:
    process, vmar = k.root_job.create_child_process("program")
    handles = len(k.process.handle_table)
    assert vmar.map_elf(load_elf(elf(TEXT, DATA, RODATA)), BIAS) == BIAS + 0x1008
    assert process.read_memory(BIAS + 0x1000, 16) == bytes(8) + b"text" + bytes(4)
    assert process.read_memory(BIAS + 0x2000, 24) == bytes(16) + b"data" + bytes(4)
    assert process.read_memory(BIAS + 0x4000, 16) == bytes(16)
    assert process.read_memory(BIAS + 0x6000, 8) == b"rodata" + bytes(2)
    mapped = [
        (row.base - BIAS, row.size, row.u.mapping.mmu_flags & 7)
        for row in vmar.maps()
        if row.type == ZX_INFO_MAPS_TYPE_MAPPING
    ]
    read, write, execute = VmarFlags.PERM_READ, VmarFlags.PERM_WRITE, VmarFlags.PERM_EXECUTE
    assert mapped == [
        (0x1000, PAGE, read | execute),
        (0x2000, 3 * PAGE, read | write),
        (0x6000, PAGE, read),
    ]
    assert len(k.process.handle_table) == handles


def test_an_elf_file_that_does_not_fit_is_not_mapped_at_all(k: Kernel) -> None:
    _, vmar = k.root_job.create_child_process("program")
    before, handles = len(vmar.maps()), len(k.process.handle_table)
    taken = vmar.map(0x6000, Vmo.create(PAGE), 0, PAGE, VmarFlags.PERM_READ | VmarFlags.SPECIFIC)
    handles += 1
    with pytest.raises(ZxAlreadyExists):
        vmar.map_elf(load_elf(elf(TEXT, DATA, RODATA)), taken - 0x6000)
    with pytest.raises(ZxOutOfRange):
        vmar.map_elf(load_elf(elf(TEXT, kind=2)))  # below the region
    with pytest.raises(ZxInvalidArgs):
        vmar.map_elf(load_elf(elf(TEXT)), (1 << 47) - PAGE)
    with pytest.raises(ZxInvalidArgs):
        vmar.map_elf(load_elf(elf(TEXT)), BIAS + 1)
    assert (len(vmar.maps()), len(k.process.handle_table)) == (before + 1, handles)


# Tasks


def test_jobs_show_their_children(k: Kernel) -> None:
    job = k.root_job.create_child_job()
    job.name = "tree"
    child = job.create_child_job()
    process, _ = job.create_child_process(b"leaf")
    assert job.children == [child.koid] and job.processes == [process.koid]
    assert [(type(task).__name__, task.koid) for task in job.walk()] == [
        ("Process", process.koid),
        ("Job", child.koid),
    ]
    found = job.get_child(process.koid, Rights.INSPECT)
    assert isinstance(found, Process) and found.rights == Rights.INSPECT
    with pytest.raises(ZxNotFound):
        job.get_child(1)
    job.kill()
    assert job.info.exited and process.info.return_code == -1024


def test_a_policy_binds_the_processes_below(k: Kernel) -> None:
    job = k.root_job.create_child_job()
    job.set_policy([(JobCondition.NEW_VMO, JobAction.DENY)])
    job.set_timer_slack_policy(1000, 0)
    process, _ = job.create_child_process("bound")
    seen: list[object] = []

    async def main(zx: Body) -> int:
        try:
            Vmo.create(PAGE, caller=zx)
        except ZxAccessDenied as error:
            seen.append(error)
        return 3

    process.start_body(main)
    process.wait(Signals.PROCESS_TERMINATED)
    assert len(seen) == 1 and process.info.return_code == 3
    job.create_child_process("second")
    with pytest.raises(ZxBadState):
        job.set_policy([(JobCondition.NEW_VMO, JobAction.ALLOW)])


def test_a_critical_process_takes_its_job_along(k: Kernel) -> None:
    job = k.root_job.create_child_job()
    process, _ = job.create_child_process("critical")
    job.set_critical(process)
    process.kill()
    assert job.wait(Signals.JOB_TERMINATED, 0)


def test_a_shared_process_has_a_restricted_part_of_its_own(k: Kernel) -> None:
    prototype, shared = k.root_job.create_child_process("prototype", ProcessOptions.SHARED)
    _, one = prototype.create_shared("one")
    _, two = prototype.create_shared("two")
    assert (one.info.base, one.info.len) == (two.info.base, two.info.len)
    assert one.info.base + one.info.len <= shared.info.base
    plain, _ = k.root_job.create_child_process("plain")
    with pytest.raises(ZxInvalidArgs):
        plain.create_shared("three")


def test_machine_code_starts_and_shows_its_registers(k: Kernel) -> None:
    process, vmar = k.root_job.create_child_process("code")
    code = Vmo.create(PAGE)
    code.write(b"\xeb\xfe")  # a jump to itself
    code = code.replace_as_executable()
    entry = vmar.map(0, code, 0, PAGE, VmarFlags.PERM_READ | VmarFlags.PERM_EXECUTE)
    thread = process.create_thread("main")
    event = Event.create()
    with thread.suspend() as token:
        process.start(thread, entry, 0, event, 5)
        assert event.is_invalid
        regs = thread.read_state()
        assert (regs.rip, regs.rsi) == (entry, 5) and regs.rdi in [
            h.handle_value for h in process.handle_table
        ]
        regs.rbx = 77
        thread.write_state(ThreadStateTopic.GENERAL_REGS, regs)
        assert thread.read_state().rbx == 77
        assert thread.read_state(ThreadStateTopic.SINGLE_STEP) == 0
    assert token.is_invalid
    assert process.threads == [thread.koid] and process.get_child(thread.koid).koid == thread.koid
    k.nanosleep(k.deadline_after(10_000_000))
    assert thread.stats.total_runtime > 0 and process.runtime_info.cpu_time > 0
    with pytest.raises(ZxBadState):
        thread.start(entry, 0)
    process.kill()
    assert thread.wait(Signals.THREAD_TERMINATED, 0)
