"""VMOs, address regions, pagers, streams, I/O buffers, and pages for devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jacinth import abi
from jacinth.abi import STRUCTS
from jacinth.fuzz.arguments.parameters import MASK, VM_OPTIONS, Need, Rule, family, iovecs, key, part
from jacinth.fuzz.world import Actor, Expression
from jacinth.kernel.iob import IdAllocator, RingBufferWriter
from jacinth.kernel.ipc.clock import MAPPED_SIZE
from jacinth.kernel.vm.vmo import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.fuzz.generate import Generator


def _vmar(g: Generator, actor: Actor, rights: int = 0) -> Expression:
    return g.chosen(actor, abi.ZX_OBJ_TYPE_VMAR, lambda vmar: vmar.region.alive, rights)[0]


def _place(g: Generator, options: int) -> int:
    """An offset in a region, where *options* ask for one."""
    wanted = abi.ZX_VM_SPECIFIC | abi.ZX_VM_SPECIFIC_OVERWRITE | abi.ZX_VM_OFFSET_IS_UPPER_LIMIT
    return g.pages() if options & wanted else 0


def _map_options(g: Generator) -> int:
    """Mostly what nothing refuses."""
    if g.random() < 0.3:
        return g.vm_options()
    options: int = g.rng.choice((1, 3, 3, 3, 0))
    return options | g.rng.choice((0, 0, 0, abi.ZX_VM_MAP_RANGE, abi.ZX_VM_SPECIFIC, abi.ZX_VM_ALLOW_FAULTS))


def _map(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Into a region, in most cases to be read and written."""
    options = _map_options(g)
    rights = abi.ZX_RIGHT_MAP | (options & 1) * abi.ZX_RIGHT_READ | (options >> 1 & 1) * abi.ZX_RIGHT_WRITE
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size, rights)
    offset, length = part(g, 0 if object_ is None else min(object_.size, 1 << 24))
    return (_vmar(g, actor), options, _place(g, options), vmo, offset, length, ("a", 0))


def _map_clock(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    clock, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_CLOCK, _is_mappable)
    options = g.rng.choice((1, 1, 1, 0, 3, 1 | abi.ZX_VM_SPECIFIC, 1 | abi.ZX_VM_MAP_RANGE))
    return (
        _vmar(g, actor),
        options,
        _place(g, options),
        clock,
        g.rng.choice((MAPPED_SIZE,) * 9 + (8,)),
        ("a", 0),
    )


def _map_iob(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = _map_options(g)
    endpoint, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_IOB, lambda iob: True)
    regions = [] if object_ is None else object_.regions
    index, size = 0, PAGE_SIZE
    if regions:
        good = [i for i, region in enumerate(regions) if region.map_rights(object_.number)]
        index = g.rng.choice(good or [0])
        size = min(regions[index].memory.size, 1 << 24)
    offset, length = part(g, size)
    return (_vmar(g, actor), options, _place(g, options), endpoint, index, offset, length, ("a", 0))


def _allocate(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = g.rng.choice((0x380, 0x3C0, 0x180, 0x80, 0)) | g.rng.choice((0, 0, *VM_OPTIONS))
    size = g.rng.choice((1, 1, 2, 8, 64)) * PAGE_SIZE if g.random() < 0.8 else g.pages()
    return (_vmar(g, actor), options, _place(g, options), size, ("a", 0), ("a", PAGE_SIZE))


def _destroy(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.chosen(actor, abi.ZX_OBJ_TYPE_VMAR, _is_inner)[0],)


def _is_inner(vmar: Any) -> bool:
    return bool(vmar.region.alive and vmar.region.parent is not None)


def _vmo_child(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size)
    kind = g.rng.choice(
        (abi.ZX_VMO_CHILD_SNAPSHOT, abi.ZX_VMO_CHILD_SLICE, abi.ZX_VMO_CHILD_REFERENCE, 0x10, 0x40)
    )
    options = kind | g.rng.choice((0, 0, abi.ZX_VMO_CHILD_RESIZABLE, abi.ZX_VMO_CHILD_NO_WRITE))
    if kind == abi.ZX_VMO_CHILD_REFERENCE and g.random() < 0.8:
        return (vmo, options, 0, 0, ("a", 0))
    size = PAGE_SIZE if object_ is None else object_.size
    offset = g.rng.choice((0, 0, size // 2 & -PAGE_SIZE, PAGE_SIZE))
    return (vmo, options, offset, g.rng.choice((size, size - offset, PAGE_SIZE, g.pages())) & MASK, ("a", 0))


def _vmo_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = (
        0,
        0,
        0,
        abi.ZX_VMO_RESIZABLE,
        abi.ZX_VMO_RESIZABLE,
        abi.ZX_VMO_DISCARDABLE,
        abi.ZX_VMO_UNBOUNDED,
        4,
    )
    size = g.rng.choice((1, 2, 4, 16)) * PAGE_SIZE if g.random() < 0.6 else g.pages()
    return (size, g.rng.choice(options), ("a", 0))


def _vmo_range(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size)
    size = PAGE_SIZE if object_ is None else min(object_.size, 1 << 24)
    offset = g.rng.choice((0, 0, size // 2 & -PAGE_SIZE, PAGE_SIZE))
    return (vmo, g.flags("ZX_VMO_OP_"), offset, g.rng.choice((size, size - offset, PAGE_SIZE)) & MASK, 0, 0)


def _vmo_resize(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.resizable)[0], g.pages())


def _vmo_access(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Of the contents: within them, mostly."""
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size)
    size = 0 if object_ is None else min(object_.size, 1 << 24)
    offset = g.rng.choice((0, 0, size // 2, g.rng.randrange(size + 1), size - 1, g.pages())) & MASK
    length = g.rng.choice((0, 1, 8, 100, PAGE_SIZE, min(max(0, size - offset), 5 * PAGE_SIZE)))
    data = ("b", 0, g.rng.randbytes(16), ()) if g.random() < 0.9 else g.address(actor)
    return (vmo, data, offset, length)


def _transfer(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    large = lambda vmo: vmo.size >= PAGE_SIZE  # noqa: E731
    (target, one), (source, other) = (g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, large) for _ in range(2))
    offset, length = part(g, 0 if one is None else min(one.size, 1 << 20))
    from_, _ = part(g, 0 if other is None else min(other.size, 1 << 20))
    return (target, 0, offset, g.rng.choice((length, PAGE_SIZE, PAGE_SIZE)), source, from_)


def _mapped(g: Generator, actor: Actor) -> tuple[Expression, Expression, int]:
    """A VMAR, the address of a child of it, where one has any, and a size within it, mostly."""
    vmar, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMAR, lambda vmar: vmar.region._bases)
    if object_ is None or not object_.region._bases:
        return vmar, ("v", vmar, g.pages()), g.pages()
    base = g.rng.choice(object_.region._bases)
    if actor.group.scratch <= base < actor.group.scratch + 64 * PAGE_SIZE and g.random() < 0.9:
        base = object_.region._bases[-1]  # not its own arguments, mostly
    child = object_.region._regions[base]
    offset, length = part(g, min(child.size, 1 << 24)) if g.random() < 0.85 else (g.pages(), g.pages())
    return vmar, ("v", vmar, base - object_.region.base + offset), length


def _unmap(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return _mapped(g, actor)


def _unmap_and_exit(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (*_mapped(g, actor), 0 if g.random() < 0.5 else g.handle(actor))


def _protect(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmar, address, size = _mapped(g, actor)
    return (vmar, g.rng.choice((1, 3, 3, 0, 1, 5, 7)), address, size)


def _vmar_range(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmar, address, size = _mapped(g, actor)
    ops = family("ZX_VMAR_OP_")[0]
    return (vmar, g.rng.choice(ops) if g.random() < 0.95 else g.integer(), address, size, 0, 0)


def _pager_vmo(
    g: Generator, actor: Actor, wanted: Callable[[Any], Any] = bool
) -> tuple[Expression, Expression, Any]:
    """A pager, a VMO of its whose source is *wanted*, if possible, and that VMO's object; None where there is none."""
    known = [g.object(actor, value) for value in g.of_type(actor, abi.ZX_OBJ_TYPE_PAGER)]

    def mine(vmo: Any) -> bool:
        return _has_pager(vmo) and vmo.pages.source.pager in known

    def best(vmo: Any) -> bool:
        return mine(vmo) and bool(wanted(vmo.pages.source))

    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, best)
    if object_ is None or not mine(object_):
        vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, mine)
    source = None if object_ is None else getattr(object_.pages, "source", None)
    pager, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PAGER, lambda pager: source is None or source.pager is pager)
    return pager, vmo, object_


def _waits(source: Any) -> bool:
    return bool(source._requests)


def _pager_part(g: Generator, vmo: Any) -> tuple[int, int]:
    """A range of pages: in most cases one that is waited for, where there is any."""
    requests = [] if vmo is None or not _has_pager(vmo) else list(vmo.pages.source._requests)
    if requests and g.random() < 0.7:
        request = g.rng.choice(requests)
        return request.first * PAGE_SIZE, (request.end - request.first) * PAGE_SIZE
    return part(g, 0 if vmo is None else min(vmo.size, 1 << 24))


def _supply(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, object_ = _pager_vmo(g, actor, _waits)
    offset, length = _pager_part(g, object_)
    if g.random() < 0.8:
        length = min(length, g.rng.choice((PAGE_SIZE, 4 * PAGE_SIZE)))

    def plain(vmo: Any) -> bool:
        return not vmo.pages.special and vmo.size >= max(length, PAGE_SIZE) and not vmo.mappings

    auxiliary, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, plain, abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE)
    return (pager, vmo, offset, length, auxiliary, 0)


def _pager_create_vmo(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager = g.handle(actor, (abi.ZX_OBJ_TYPE_PAGER,))
    port = g.handle(actor, (abi.ZX_OBJ_TYPE_PORT,))
    options = g.rng.choice((0, 0, abi.ZX_VMO_RESIZABLE, abi.ZX_VMO_TRAP_DIRTY, 3, 0x10))
    return (pager, options, port, key(g, actor), g.rng.choice((1, 2, 4, 16)) * PAGE_SIZE, ("a", 0))


def _pager_op(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    op = (
        g.rng.choice((*family("ZX_PAGER_OP_")[0], abi.ZX_PAGER_OP_DIRTY))
        if g.random() < 0.95
        else g.rng.randrange(8)
    )
    fails = op == abi.ZX_PAGER_OP_FAIL
    pager, vmo, object_ = _pager_vmo(g, actor, _waits if fails else lambda source: source.trap_dirty)
    data = 0
    if fails:
        data = (
            g.rng.choice((abi.ZX_ERR_IO, abi.ZX_ERR_IO, abi.ZX_ERR_BAD_STATE, abi.ZX_ERR_NO_SPACE, 0, 1))
            & MASK
        )
    elif op == abi.ZX_PAGER_OP_WRITEBACK_BEGIN:
        data = g.rng.choice((0, 0, abi.ZX_VMO_DIRTY_RANGE_IS_ZERO))
    return (pager, op, vmo, *_pager_part(g, object_), data)


def _pager_query(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, object_ = _pager_vmo(g, actor, lambda source: source.trap_dirty)
    place, sizes = _pager_part(g, object_), (0, 24, 240, 2400)
    return (
        pager,
        vmo,
        *place,
        ("a", 0),
        g.rng.choice(sizes),
        ("a", PAGE_SIZE),
        g.rng.choice((0, ("a", 2 * PAGE_SIZE))),
    )


def _pager_stats(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, _ = _pager_vmo(g, actor)
    return (pager, vmo, g.rng.randrange(2), ("a", 0), g.rng.choice((4, 8, 64)))


def _pager_detach(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return _pager_vmo(g, actor)[:2]


def _pin(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: PAGE_SIZE <= vmo.size < 1 << 24)
    options = g.rng.choice((1, 3, 3, 7, 3 | abi.ZX_BTI_COMPRESS, 3 | abi.ZX_BTI_CONTIGUOUS))
    offset, size = part(g, 0 if object_ is None else min(object_.size, 1 << 20))
    bti = g.handle(actor, (abi.ZX_OBJ_TYPE_BTI,))
    return (bti, options, vmo, offset, size, ("a", 0), max(1, size // PAGE_SIZE) & MASK, ("a", 5 * PAGE_SIZE))


def _contiguous(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    bti = g.handle(actor, (abi.ZX_OBJ_TYPE_BTI,))
    return (bti, g.rng.choice((1, 2, 5, 16)) * PAGE_SIZE, g.rng.choice((0, 12, 14, 20)), ("a", 0))


def _stream_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    read, write, append = abi.ZX_STREAM_MODE_READ, abi.ZX_STREAM_MODE_WRITE, abi.ZX_STREAM_MODE_APPEND
    options = g.rng.choice((read, write, *[read | write] * 4, read | write | append, append, 0))
    rights = abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE
    vmo, object_ = g.chosen(
        actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size and not vmo.pages.contiguous, rights
    )
    size = 0 if object_ is None else object_.stream_size
    return (options, vmo, g.rng.choice((0, 0, 0, size, size // 2, g.pages())), ("a", 0))


def _stream(writes: bool, at: bool) -> Rule:
    """Where there is content, mostly: at its beginning, in the middle and at its end."""
    right = abi.ZX_RIGHT_WRITE if writes else abi.ZX_RIGHT_READ

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        wanted = (lambda s: s.vmo.size) if writes else (lambda s: s.vmo.stream_size)
        stream, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_STREAM, wanted, right)
        size = 0 if object_ is None else min(object_.vmo.stream_size, 1 << 24)
        place = (
            (g.rng.choice((0, 0, size // 2, size, max(size, 1) - 1, size + PAGE_SIZE, g.pages())),)
            if at
            else ()
        )
        count = g.rng.choice((1, 1, 2, 3, 0))
        options = g.rng.choice((0, 0, abi.ZX_STREAM_APPEND)) if writes and not at else 0
        vectors = iovecs(g, count, "zx_iovec_t", 5 * PAGE_SIZE)
        return (stream, options, *place, vectors, count, g.rng.choice((0, ("a", 6 * PAGE_SIZE))))

    return arguments


def _seek(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    readable = g.rng.choice((abi.ZX_RIGHT_READ, abi.ZX_RIGHT_WRITE))
    stream, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_STREAM, lambda s: True, readable)
    offset = g.rng.choice(
        (0, 0, 1, PAGE_SIZE, 5 * PAGE_SIZE, -1 & MASK, -PAGE_SIZE & MASK, (1 << 63) - 1, 1 << 63)
    )
    return (stream, g.rng.choice((0, 1, 2, 2, 3)), offset, ("a", 0))


def _iob_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """A region for each discipline, in an order of its own."""
    rng = g.rng
    fields = {field.name: field.offset for field in STRUCTS["zx_iob_region_t"].fields}
    size = STRUCTS["zx_iob_region_t"].SIZE
    count = rng.choice((1, 1, 2, 3))
    patches: list[tuple[int, int, Expression]] = []
    for i in range(count):
        kind = rng.randrange(3)
        access = rng.choice((0x33, 0x13, 0x31, 0x32, 0x22, 3, 0xFF))
        if kind and g.random() < 0.95:
            access |= abi.ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE | rng.choice(
                (0, abi.ZX_IOB_ACCESS_EP1_CAN_MEDIATED_WRITE, abi.ZX_IOB_ACCESS_EP0_CAN_MEDIATED_READ)
            )
        shared = kind == 2 and g.has(actor, abi.ZX_OBJ_TYPE_IOB_SHARED_REGION)
        discipline = kind if kind != 2 or shared else 0
        if not discipline and g.random() < 0.95:
            access &= 0x33
        pages = 0 if shared else rng.choice((1, 1, 2, 16)) * PAGE_SIZE
        base = size * i
        words = (
            (4, "type", int(shared)),
            (4, "access", access),
            (8, "size", pages),
            (8, "discipline", discipline),
        )
        patches += [(base + fields[name], width, value) for width, name, value in words]
        if shared:
            region = g.handle(actor, (abi.ZX_OBJ_TYPE_IOB_SHARED_REGION,))
            patches += [
                (base + fields["max_extension"] + 4, 4, region),
                (base + fields["discipline"] + 8, 8, i),
            ]
        elif g.random() < 0.1:
            patches.append(
                (base + fields["max_extension"], 4, rng.choice((abi.ZX_VMO_RESIZABLE, 8, g.integer())))
            )
    return (
        0,
        ("b", 0, bytes(size * count), tuple(patches)),
        count,
        ("a", 5 * PAGE_SIZE),
        ("a", 6 * PAGE_SIZE),
    )


def _iob_region(g: Generator, actor: Actor, discipline: type) -> tuple[Expression, int]:
    """An endpoint, and the number of a region of its that it may write to through a *discipline*."""

    def good(iob: Any) -> list[int]:
        may = abi.ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE
        return [
            i
            for i, region in enumerate(iob.regions)
            if isinstance(region.discipline, discipline) and region.access_of(iob.number) & may
        ]

    endpoint, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_IOB, good, abi.ZX_RIGHT_WRITE)
    regions = [] if object_ is None else good(object_)
    return endpoint, g.rng.choice(regions) if regions else g.rng.randrange(2)


def _allocate_id(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    size = g.rng.choice((0, 1, 8, 100, 1000, PAGE_SIZE, 5 * PAGE_SIZE))
    endpoint, region = _iob_region(g, actor, IdAllocator)
    return (endpoint, 0, region, ("b", 0, g.rng.randbytes(16), ()), size, ("a", 7 * PAGE_SIZE))


def _iob_writev(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    count = g.rng.choice((0, 1, 1, 2, 8, 9))
    endpoint, region = _iob_region(g, actor, RingBufferWriter)
    return (endpoint, 0, region, iovecs(g, count, "zx_iovec_t", 5 * PAGE_SIZE), count)


def _has(discipline: type) -> Callable[[Any], bool]:
    return lambda iob: any(isinstance(region.discipline, discipline) for region in iob.regions)


def _of_mode(mode: int) -> Callable[[Any], bool]:
    return lambda stream: bool(stream.mode & mode)


def _is_ring(shared: Any) -> bool:
    """Large enough for messages."""
    return bool(shared.memory.size >= 2 * PAGE_SIZE)


def _shared_region(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (0, g.rng.choice((2, 2, 3, 8, 1)) * PAGE_SIZE if g.random() < 0.9 else g.pages(), ("a", 0))


def _is_mappable(clock: Any) -> bool:
    return clock.vmo is not None


def _has_pager(vmo: Any) -> bool:
    return hasattr(vmo.pages, "source") and not vmo.pages.source.detached


NEEDS: Final[dict[str, Need]] = {
    **dict.fromkeys(
        [
            "zx_pager_supply_pages",
            "zx_pager_op_range",
            "zx_pager_query_dirty_ranges",
            "zx_pager_query_vmo_stats",
        ],
        (abi.ZX_OBJ_TYPE_VMO, _has_pager, "zx_pager_create_vmo"),
    ),
    "zx_iob_writev": (abi.ZX_OBJ_TYPE_IOB, _has(RingBufferWriter), "zx_iob_create"),
    "zx_iob_allocate_id": (abi.ZX_OBJ_TYPE_IOB, _has(IdAllocator), "zx_iob_create"),
    "zx_iob_create": (abi.ZX_OBJ_TYPE_IOB_SHARED_REGION, _is_ring, "zx_iob_create_shared_region"),
    "zx_stream_writev": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_WRITE), "zx_stream_create"),
    "zx_stream_writev_at": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_WRITE), "zx_stream_create"),
    "zx_stream_readv": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_READ), "zx_stream_create"),
    "zx_stream_readv_at": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_READ), "zx_stream_create"),
    "zx_vmar_map_clock": (abi.ZX_OBJ_TYPE_CLOCK, _is_mappable, "zx_clock_create"),
    "zx_vmar_destroy": (abi.ZX_OBJ_TYPE_VMAR, _is_inner, "zx_vmar_allocate"),
    "zx_vmo_set_size": (abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.resizable, "zx_vmo_create"),
}


ARGUMENTS: Final[dict[str, Rule]] = {
    "zx_vmar_map": _map,
    "zx_vmar_map_clock": _map_clock,
    "zx_vmar_map_iob": _map_iob,
    "zx_vmar_destroy": _destroy,
    "zx_stream_create": _stream_create,
    "zx_stream_readv": _stream(writes=False, at=False),
    "zx_stream_readv_at": _stream(writes=False, at=True),
    "zx_stream_writev": _stream(writes=True, at=False),
    "zx_stream_writev_at": _stream(writes=True, at=True),
    "zx_stream_seek": _seek,
    "zx_iob_create": _iob_create,
    "zx_iob_allocate_id": _allocate_id,
    "zx_iob_create_shared_region": _shared_region,
    "zx_iob_writev": _iob_writev,
    "zx_vmar_allocate": _allocate,
    "zx_vmar_unmap": _unmap,
    "zx_vmar_protect": _protect,
    "zx_vmar_op_range": _vmar_range,
    "zx_vmo_create": _vmo_create,
    "zx_vmo_create_child": _vmo_child,
    "zx_vmo_op_range": _vmo_range,
    "zx_vmo_set_size": _vmo_resize,
    "zx_vmo_read": _vmo_access,
    "zx_vmo_write": _vmo_access,
    "zx_vmo_transfer_data": _transfer,
    "zx_pager_create_vmo": _pager_create_vmo,
    "zx_pager_detach_vmo": _pager_detach,
    "zx_pager_supply_pages": _supply,
    "zx_pager_op_range": _pager_op,
    "zx_pager_query_dirty_ranges": _pager_query,
    "zx_pager_query_vmo_stats": _pager_stats,
    "zx_bti_pin": _pin,
    "zx_vmo_create_contiguous": _contiguous,
    "zx_vmar_unmap_handle_close_thread_exit": _unmap_and_exit,
}
