"""Events and event pairs. Source: docs/reference/syscalls/event_create.md, utest/core/event-pair."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_EVENT_RIGHTS,
    ZX_DEFAULT_EVENTPAIR_RIGHTS,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_PEER_CLOSED,
    ZX_EVENT_SIGNALED,
    ZX_EVENTPAIR_PEER_CLOSED,
    ZX_EVENTPAIR_SIGNALED,
    ZX_OBJ_TYPE_EVENT,
    ZX_OBJ_TYPE_EVENTPAIR,
    ZX_OK,
    ZX_USER_SIGNAL_0,
)


def test_an_event_starts_without_signals_and_with_default_rights(k: Any, zx: Any) -> None:
    status, value = zx.zx_event_create(0)
    handle = k.host.dispatcher.handles.get(value)
    assert status == ZX_OK and handle.rights == ZX_DEFAULT_EVENT_RIGHTS
    assert handle.object.TYPE == ZX_OBJ_TYPE_EVENT and handle.object.signals == 0


@pytest.mark.shows("zx_eventpair_create", "ZX_ERR_NOT_SUPPORTED")
@pytest.mark.shows("zx_event_create", "ZX_ERR_INVALID_ARGS")
def test_options_are_refused_each_in_its_way(zx: Any) -> None:
    assert zx.zx_event_create(1) == (ZX_ERR_INVALID_ARGS, 0)
    assert zx.zx_eventpair_create(1) == (ZX_ERR_NOT_SUPPORTED, 0, 0)


def test_an_event_takes_user_signals_and_signaled_only(k: Any, zx: Any) -> None:
    _, value = zx.zx_event_create(0)
    assert zx.zx_object_signal(value, 0, ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_0) == ZX_OK
    assert k.host.dispatcher.handles.get(value).object.signals == ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_0
    assert zx.zx_object_signal(value, 0, 1) == ZX_ERR_INVALID_ARGS
    assert zx.zx_object_signal(value, ZX_EVENT_SIGNALED, 0) == ZX_OK
    assert k.host.dispatcher.handles.get(value).object.signals == ZX_USER_SIGNAL_0


def test_the_ends_of_an_event_pair_signal_each_other(k: Any, zx: Any) -> None:
    status, one, other = zx.zx_eventpair_create(0)
    ends = [k.host.dispatcher.handles.get(value) for value in (one, other)]
    assert status == ZX_OK and all(end.rights == ZX_DEFAULT_EVENTPAIR_RIGHTS for end in ends)
    assert all(end.object.TYPE == ZX_OBJ_TYPE_EVENTPAIR for end in ends)
    assert zx.zx_object_signal_peer(one, 0, ZX_EVENTPAIR_SIGNALED | ZX_USER_SIGNAL_0) == ZX_OK
    assert [end.object.signals for end in ends] == [0, ZX_EVENTPAIR_SIGNALED | ZX_USER_SIGNAL_0]
    assert zx.zx_object_signal(one, 0, ZX_EVENTPAIR_SIGNALED) == ZX_OK
    assert zx.zx_object_signal_peer(one, 0, ZX_EVENTPAIR_PEER_CLOSED) == ZX_ERR_INVALID_ARGS


def test_an_event_pair_tells_of_its_peers_end(k: Any, zx: Any) -> None:
    _, one, other = zx.zx_eventpair_create(0)
    zx.zx_handle_close(one)
    assert k.host.dispatcher.handles.get(other).object.signals == ZX_EVENTPAIR_PEER_CLOSED
    assert zx.zx_object_signal_peer(other, 0, ZX_USER_SIGNAL_0) == ZX_ERR_PEER_CLOSED


def test_an_event_has_no_peer(zx: Any) -> None:
    _, value = zx.zx_event_create(0)
    assert zx.zx_object_signal_peer(value, 0, ZX_USER_SIGNAL_0) != ZX_OK
