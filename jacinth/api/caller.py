"""Who makes a call, and what follows from it: Python outside gets an answer, a Python body something to
await.

Each object belongs to a caller, the `Kernel` (for its host process) or a `Body`, and is typed by it:
`Channel[Kernel]`, for short `Channel`, and `Channel[Body]`. Every method is written once. Marked as `member`
or `blocking`, it answers at once when its object is the host's, and gives a coroutine when it is a body's; a
type checker knows which.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from jacinth.kernel.thread import CHECKPOINT
from jacinth.kernel.vm.page_source import PageNeeded

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    from jacinth.api.body import Body
    from jacinth.api.handle import Handle
    from jacinth.api.kernel import Kernel

    R_co = TypeVar("R_co", covariant=True)

    # The caller that an object belongs to.
    C = TypeVarWithDefault("C", Kernel, Body, default=Kernel)

    class Method(Generic[P, R_co]):
        """What `member` and `blocking` make of a function."""

        @overload
        def __get__(self, instance: Handle[Kernel], owner: Any) -> Callable[P, R_co]: ...
        @overload
        def __get__(self, instance: Handle[Body], owner: Any) -> Callable[P, Coroutine[Any, Any, R_co]]: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...

else:
    C = TypeVar("C")


def member(function: Callable[Concatenate[Any, P], R]) -> Method[P, R]:
    """A method that never waits."""

    @functools.wraps(function)
    def method(self: Handle[Any], *args: P.args, **kwargs: P.kwargs) -> Any:
        if self._caller.is_body:
            return _in_body(self._caller, function, self, args, kwargs)
        return function(self, *args, **kwargs)

    return cast("Method[P, R]", method)


async def _in_body(caller: Body, function: Callable[..., R], self: object, args: Any, kwargs: Any) -> R:
    """A call is where a body is killed and suspended, however the call ends."""
    try:
        while True:
            try:
                return function(self, *args, **kwargs)
            except PageNeeded as need:
                await caller.wait_for_page(need)
    finally:
        if caller.call.thread.attention:
            await CHECKPOINT


def blocking(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> Method[P, R]:
    """A method that can wait: outside it runs the kernel until it is done."""

    @functools.wraps(function)
    def method(self: Handle[Any], *args: P.args, **kwargs: P.kwargs) -> Any:
        coroutine = function(self, *args, **kwargs)
        caller = self._caller
        return coroutine if caller.is_body else caller.sys.block(coroutine)

    return cast("Method[P, R]", method)


# The kernels that a `with` has entered and not left, the innermost last.
_entered: ContextVar[tuple[Kernel, ...]] = ContextVar("jacinth_kernels", default=())


def enter(kernel: Kernel) -> None:
    _entered.set((*_entered.get(), kernel))


def leave(kernel: Kernel) -> None:
    _entered.set(tuple(other for other in _entered.get() if other is not kernel))


def resolve(caller: C | None) -> C:
    """*caller*, or without one the kernel whose `with` block this is."""
    if caller is not None:
        return caller
    kernels = _entered.get()
    if not kernels:
        raise RuntimeError("no kernel: use `with jacinth.Kernel():`, or pass caller=")
    if kernels[-1].current is not kernels[-1].host.thread:
        raise RuntimeError("a body makes objects of its own: pass caller=")
    kernel: Any = kernels[-1]
    return kernel  # type: ignore[no-any-return]
