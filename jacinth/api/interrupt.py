"""Virtual interrupts."""

from __future__ import annotations

from jacinth.abi import (
    ZX_INFO_INTERRUPT,
    ZX_INTERRUPT_BIND,
    ZX_INTERRUPT_UNBIND,
    ZX_INTERRUPT_VIRTUAL,
    zx_info_interrupt_t,
)
from jacinth.api.caller import C, blocking, member, resolve
from jacinth.api.flags import ObjType
from jacinth.api.handle import Handle, check, values
from jacinth.api.port import Port


class Interrupt(Handle[C]):
    """An interrupt that one program triggers and another handles, as it would one of a device."""

    OBJ_TYPE = ObjType.INTERRUPT

    __slots__ = ()

    @classmethod
    def create(cls, options: int = ZX_INTERRUPT_VIRTUAL, *, caller: C | None = None) -> Interrupt[C]:
        """A virtual interrupt; *options* may have ZX_INTERRUPT_TIMESTAMP_MONO as well. Raises ZxInvalidArgs."""
        owner = resolve(caller)
        status, raw = owner.sys.zx_interrupt_create(0, 0, options)
        check(status)
        return Interrupt(owner, raw)

    @member
    def trigger(self, timestamp: int) -> None:
        """Let it happen, at *timestamp* ns. Rights: SIGNAL. Raises ZxCanceled where it is destroyed."""
        check(self._caller.sys.zx_interrupt_trigger(self.raw, 0, timestamp))

    @blocking
    async def wait(self) -> int:  # type: ignore[override]
        """Wait until it happens, and answer when it did, in ns. To wait again acknowledges the one before.

        Rights: WAIT. Raises ZxBadState where it is bound to a port or another thread waits, ZxCanceled where it is destroyed.
        """
        status, timestamp = await self._caller.waits.zx_interrupt_wait(self.raw)
        check(status)
        return int(timestamp)

    @member
    def bind(self, port: Port[C], key: int) -> None:
        """From now on it happens as an InterruptPacket of *port*, which was made with ZX_PORT_BIND_TO_INTERRUPT.

        Rights: READ; on the port WRITE. Raises ZxWrongType for another port, ZxCanceled, ZxBadState, ZxAlreadyBound.
        """
        [raw] = values(self._caller, [port])
        check(self._caller.sys.zx_interrupt_bind(self.raw, raw, key, ZX_INTERRUPT_BIND))

    @member
    def unbind(self, port: Port[C]) -> None:
        """Leave the port, and take back the packet. Rights: READ; on the port WRITE. Raises ZxNotFound, ZxCanceled."""
        [raw] = values(self._caller, [port])
        check(self._caller.sys.zx_interrupt_bind(self.raw, raw, 0, ZX_INTERRUPT_UNBIND))

    @member
    def ack(self) -> None:
        """The packet is handled, and the next one may come. Rights: WRITE. Raises ZxBadState, ZxCanceled."""
        check(self._caller.sys.zx_interrupt_ack(self.raw))

    @member
    def destroy(self) -> None:
        """It happens no more; who waits gets ZxCanceled. Raises ZxNotFound where a packet was not acknowledged."""
        check(self._caller.sys.zx_interrupt_destroy(self.raw))

    @property
    def info(self) -> zx_info_interrupt_t:
        """Its options. Rights: INSPECT."""
        return self._info(ZX_INFO_INTERRUPT, zx_info_interrupt_t)
