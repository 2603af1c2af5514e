"""What all objects have in common: handles, signals, waiting, errors."""

from __future__ import annotations

from typing import Any

import pytest

import jacinth
from jacinth import (
    Channel,
    Event,
    EventPair,
    Handle,
    Job,
    Kernel,
    ObjType,
    Port,
    Process,
    Rights,
    Signals,
    Status,
    Thread,
    Vmar,
    Vmo,
    WaitItem,
    ZxBadHandle,
    ZxError,
    ZxInvalidArgs,
    ZxOutOfRange,
    ZxShouldWait,
    ZxStatus,
    ZxTimedOut,
    object_wait_many,
)

MS = 1_000_000


class NoCalls:
    """Stands for the raw calls, none of which may be made."""

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: object) -> Any:
            raise AssertionError(f"{name} reached the kernel")

        return call


def test_every_status_but_ok_has_an_exception_of_its_own() -> None:
    classes = {cls.CODE: cls for cls in ZxStatus.__subclasses__()}
    assert set(classes) == set(Status) - {Status.OK}
    for code, cls in classes.items():
        assert cls.__name__ == "Zx" + "".join(word.capitalize() for word in code.name.split("_"))
        assert getattr(jacinth, cls.__name__) is cls
        assert cls().status is code and type(ZxStatus.of(code)) is cls
    assert issubclass(ZxStatus, ZxError)


def test_a_handle_shows_koid_rights_type_and_name(k: Kernel) -> None:
    vmo = Vmo.create(4096)
    vmo.name = "pages"
    assert vmo.name == "pages"
    assert vmo.basic_info.type == ObjType.VMO
    assert vmo.rights & Rights.READ and not vmo.rights & Rights.EXECUTE
    assert f"<Vmo koid={vmo.koid} rights=" in repr(vmo) and "READ|WRITE" in repr(vmo)
    assert k.root_job.koid < vmo.koid


def test_a_closed_handle_asks_the_kernel_nothing(k: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    event = Event.create()
    port = Port.create()
    event.close()
    assert event.is_invalid and repr(event) == "<Event closed>"
    monkeypatch.setattr(k, "sys", NoCalls())
    for use in (
        lambda: event.raw,
        lambda: event.koid,
        lambda: event.signal(0, Signals.USER_0),
        lambda: event.duplicate(),
        lambda: event.replace(),
        lambda: event.take(),
        lambda: event.wait_async(port, 1, Signals.USER_0),
    ):
        with pytest.raises(ZxBadHandle):
            use()
    event.close()  # again is no error


def test_waiting_through_a_closed_handle_is_a_bad_handle(k: Kernel) -> None:
    event = Event.create()
    event.close()
    with pytest.raises(ZxBadHandle):
        event.wait(Signals.EVENT_SIGNALED, 0)


def test_a_with_block_closes_the_handle(k: Kernel) -> None:
    one, other = EventPair.create()
    with one:
        one.signal_peer(0, Signals.EVENTPAIR_SIGNALED)
    assert one.is_invalid
    assert other.wait(Signals.EVENTPAIR_PEER_CLOSED, 0) & Signals.EVENTPAIR_SIGNALED


def test_take_leaves_the_handle_open(k: Kernel) -> None:
    event = Event.create()
    raw = event.take()
    assert event.is_invalid
    assert Event(k, raw).basic_info.type == ObjType.EVENT


def test_duplicate_reduces_rights_and_replace_takes_the_place(k: Kernel) -> None:
    event = Event.create()
    copy = event.duplicate(Rights.WAIT)
    assert type(copy) is Event and copy.koid == event.koid and copy.rights == Rights.WAIT
    other = event.replace(Rights.WAIT | Rights.INSPECT)
    assert event.is_invalid and other.rights == Rights.WAIT | Rights.INSPECT
    with pytest.raises(ZxInvalidArgs):
        other.replace(Rights.SIGNAL)
    assert other.is_invalid and copy.basic_info.koid == copy.koid


def test_a_timed_out_wait_says_what_it_saw(k: Kernel) -> None:
    event = Event.create()
    event.signal(0, Signals.USER_3)
    before = k.now
    with pytest.raises(ZxTimedOut) as caught:
        event.wait(Signals.USER_0, k.deadline_after(MS))
    assert caught.value.signals == Signals.USER_3
    assert k.now >= before + MS


def test_waiting_for_many_fills_in_what_is_pending(k: Kernel) -> None:
    one, other = Event.create(), Event.create()
    items = [WaitItem(one, Signals.USER_0), WaitItem(other, Signals.USER_1)]
    other.signal(0, Signals.USER_1)
    object_wait_many(items)
    assert [item.pending for item in items] == [Signals.NONE, Signals.USER_1]
    other.signal(Signals.USER_1, Signals.USER_2)
    with pytest.raises(ZxTimedOut):
        object_wait_many(items, 0)
    assert items[1].pending == Signals.USER_2
    with pytest.raises(ZxOutOfRange):
        object_wait_many(items * 33, 0)


def test_the_kernel_of_the_with_block_is_the_default(k: Kernel) -> None:
    outer = Event.create()
    with jacinth.Kernel(memory=16 << 20) as inner:
        assert Event.create()._caller is inner
        assert Event.create(caller=k)._caller is k
    assert outer._caller is k and Event.create()._caller is k


def test_without_a_kernel_there_is_nothing_to_make_objects_in() -> None:
    with pytest.raises(RuntimeError, match="caller="):
        Channel.create()


def test_a_handle_of_another_process_is_refused(k: Kernel) -> None:
    with jacinth.Kernel(memory=16 << 20) as other:
        foreign = Event.create()
        one, _ = Channel.create(caller=k)
        with pytest.raises(ValueError, match="not a handle of this process"):
            one.write(b"", [foreign])
        assert not foreign.is_invalid
        assert other is foreign._caller


MEMBERS = {
    Handle: "raw koid name rights basic_info duplicate replace signal wait wait_async close take",
    Job: "kill suspend runtime_info create_child_job create_child_process set_policy set_critical info processes "
    "children get_child walk",
    Process: "create_shared start create_thread start_body read_memory write_memory info threads task_stats info_maps "
    "info_vmos handle_stats get_child",
    Thread: "start start_body read_state write_state info stats",
    Vmar: "allocate map unmap protect destroy op_range info maps",
    Vmo: "create read write size stream_size create_child op_range transfer_data replace_as_executable info",
    Channel: "create read write read_etc write_etc call call_etc signal_peer",
    Port: "create queue wait cancel cancel_key",
}


def test_the_classes_have_the_members_that_their_users_expect() -> None:
    for cls, names in MEMBERS.items():
        missing = [name for name in names.split() if not hasattr(cls, name)]
        assert not missing, (cls, missing)


def test_should_wait_is_an_exception_of_its_own(k: Kernel) -> None:
    one, _ = Channel.create()
    with pytest.raises(ZxShouldWait) as caught:
        one.read()
    assert caught.value.status is Status.SHOULD_WAIT and str(caught.value) == "ZX_ERR_SHOULD_WAIT"
