"""Records of a fast path: what of a plan is compiled, and where in a record it lies.

A record's value part is the head (nf_mat_head), addresses and ports as they leave where a class
rewrites them, the class's other values, and, at its end, where the slots were of the chain's
entries that the class goes to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from nfverify.cythonized.body import Keys
from nfverify.cythonized.ctypes_of import stored
from nfverify.cythonized.layout import InstanceLayout, Plain, TableLayout, size
from nfverify.cythonized.plan import NARROW_FLOW
from nfverify.cythonized.plan import Plan as Chain
from nfverify.fastpath.plan import Class, Path, Plan
from nfverify.packet.fields import FIELDS
from nfverify.smat.ir import (
    Apply,
    Bits,
    Bool,
    Bytes,
    Const,
    Delete,
    Expr,
    Field,
    Has,
    Local,
    Match,
    Now,
    Program,
    Read,
    Type,
    Write,
    walk,
)

IMAGE = ("sip", "dip", "sport", "dport")  # in the order of nf_image
HEAD_BYTES, KEY_BYTES, HINT_BYTES = 12, 16, 8
IMAGE_BYTES = 12
SLOTS = (64, 128, 256)  # sizes of records that there are
MAX_HINTS = 8
MAX_CLASSES = 1024
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Whole(InstanceLayout):
    """All NFs of a network as one, whose variables are called `instance.variable`."""

    parts: Mapping[str, InstanceLayout]

    def home(self, variable: str) -> tuple[TableLayout, object] | Plain:  # type: ignore[override]
        instance, _, name = variable.rpartition(".")
        return self.parts[instance].home(name)


def whole(instances: tuple[InstanceLayout, ...]) -> Whole:
    """The NFs of a network as one."""
    nothing = Program("", (), (), (), (), (), ())
    tables = tuple(table for i in instances for table in i.tables)
    return Whole("fast", "fast", nothing, (), tables, {i.title: i for i in instances})


@dataclass(frozen=True, slots=True)
class Member:
    """A value in a record: in the struct under `name`, in network order if `net` bits."""

    name: str
    type: Type
    net: int = 0

    @property
    def text(self) -> str:
        """Its value, of a record `r`."""
        if isinstance(self.type, Bool):
            return f"(r.{self.name} != 0)"
        return f"nf_swap{self.net}(r.{self.name})" if self.net else f"r.{self.name}"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a path writes to addresses and ports that is the same for all packets of a flow."""

    values: tuple[tuple[str, Expr], ...]
    summed: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClassLayout:
    """A class that is compiled; `members` are the struct's, with what only fills it up."""

    number: int
    plan: Class
    paths: tuple[Path, ...]
    image: Rewrite | None
    members: tuple[tuple[str, str], ...]
    values: Mapping[str, Member]
    hints: tuple[tuple[str, Keys], ...]  # (table, keys)

    @property
    def struct(self) -> str:
        return f"fast_class_{self.number}"


@dataclass(frozen=True, slots=True)
class FastLayout:
    """A plan with the layout of its records; `hints` are there in each."""

    plan: Plan
    whole: Whole
    slot: int
    hints: int
    classes: tuple[ClassLayout, ...]

    @property
    def bytes(self) -> int:
        """Of the value part but for the hints."""
        return self.slot - KEY_BYTES - HINT_BYTES * self.hints

    @property
    def events(self) -> dict[str, int | None]:
        """Variables whose changes outdate records: those that watch the key, by the variable's
        number, or all (None)."""
        watched = {w.var for c in self.classes for w in c.plan.watches}
        numbers = {name: number for number, (name, _) in enumerate(self.plan.variables())}
        found: dict[str, int | None] = {name: numbers[name] for name in sorted(watched)}
        found |= dict.fromkeys(self.plan.epoch if self.classes else ())
        return found

    @property
    def watches(self) -> int:
        """That a record has at most."""
        return max((len(c.plan.watches) for c in self.classes), default=0)

    @property
    def faulty(self) -> bool:
        """Has the plan members that no plan derived from a network has?"""
        p = self.plan
        return (
            p.filed != "arriving"
            or p.recorded != "after"
            or p.checked != "before"
            or bool(p.hashed)
            or not (isinstance(p.kept, Const) and p.kept.value is False)
            or self.reads_packet
        )

    @property
    def reads_packet(self) -> bool:
        """Is more of the packet recorded than its key?"""
        return any(not of_flow(e) for c in self.classes for e in recorded_expressions(c.plan))


def planned(chain: Chain, plan: Plan) -> Chain:
    """The chain with the fast path, if any of it can be compiled."""
    fast = layout(plan, chain.instances)
    if not fast.classes:
        return chain
    paths = (path for c in fast.classes for path in c.paths)
    puts = max(sum(len(f.writes) for f in path.functions) for path in paths)
    return replace(chain, fast=fast, puts=max(chain.puts, puts))


def layout(plan: Plan, instances: tuple[InstanceLayout, ...]) -> FastLayout:
    """What is compiled of a plan: all but the paths and classes that would need more than a record
    and plain frames have. Their flows get another class or none, and go through the chain."""
    every = whole(instances)
    drafts = [_Draft.of(every, class_) for class_ in plan.classes[:MAX_CLASSES]]
    drafts = [d for d in drafts if d.paths and d.recordable and d.bytes <= SLOTS[-1] - KEY_BYTES]
    hints = max((len(d.hints) for d in drafts), default=0)
    least = max((d.bytes for d in drafts), default=0)
    while least + HINT_BYTES * hints > SLOTS[-1] - KEY_BYTES:
        hints -= 1
    slot = next(s for s in SLOTS if least + HINT_BYTES * hints <= s - KEY_BYTES)
    made = tuple(d.made(number, slot, hints) for number, d in enumerate(drafts, 1))
    return FastLayout(plan, every, slot, hints, made)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A class before it is known how large records are."""

    plan: Class
    paths: tuple[Path, ...]
    image: Rewrite | None
    hints: tuple[tuple[str, Keys], ...]
    recordable: bool

    @staticmethod
    def of(every: Whole, class_: Class) -> _Draft:
        paths = tuple(filter(runs, class_.paths))
        recorded = list(recorded_expressions(class_))
        fits = not any(isinstance(v.expr.type, Bytes) for v in class_.values)
        steady = not any(_aged(every, n) or isinstance(n, Now) for n in walk(tuple(recorded)))
        return _Draft(class_, paths, _image(paths), _hints(every, paths), fits and steady)

    @property
    def own(self) -> list[tuple[str, Type]]:
        """Values that have a place of their own, the largest first."""
        shown = dict(_in_image(self.plan, self.image))
        values = [(v.name, v.expr.type) for v in self.plan.values if v.name not in shown]
        return sorted(values, key=lambda pair: -size(pair[1]))

    @property
    def bytes(self) -> int:
        image = IMAGE_BYTES if self.image else 0
        large = [size(t) for _, t in self.own if size(t) > 4]
        return HEAD_BYTES + image + sum(size(t) for _, t in self.own) + (max(large) if large else 0)

    def made(self, number: int, slot: int, hints: int) -> ClassLayout:
        members = [("nf_mat_head", "head")]
        at = HEAD_BYTES
        values: dict[str, Member] = {}
        types = {v.name: v.expr.type for v in self.plan.values}
        if self.image:
            members.append(("nf_image", "image"))
            at += IMAGE_BYTES
            for name, field in _in_image(self.plan, self.image):
                values[name] = Member(f"image.{field}", types[name], FIELDS[field].width)
        small = [pair for pair in self.own if size(pair[1]) <= 4]
        for place, (name, type_) in enumerate(_filling(at, self.own, small)):
            gap = -at % size(type_)
            if gap:
                members.append(("u8", f"gap_{place}[{gap}]"))
            member = f"v_{place}"
            members.append((stored(type_), member))
            values[name] = Member(member, type_)
            at += gap + size(type_)
        rest = slot - KEY_BYTES - HINT_BYTES * hints - at
        if rest:
            members.append(("u8", f"rest[{rest}]"))
        if hints:
            members.append(("u8*", f"hint[{hints}]"))
        found = self.hints[:hints]
        return ClassLayout(number, self.plan, self.paths, self.image, tuple(members), values, found)


def _filling(
    at: int, own: list[tuple[str, Type]], small: list[tuple[str, Type]]
) -> list[tuple[str, Type]]:
    """The order of values: one of four bytes goes first where that aligns the larger ones."""
    large = [pair for pair in own if pair not in small]
    first = next((pair for pair in small if size(pair[1]) == 4), None)
    if large and at % 8 == 4 and first:
        return [first, *large, *(pair for pair in small if pair is not first)]
    return [*large, *small]


# What can be compiled ---------------------------------------------------------------------------


def runs(path: Path) -> bool:
    """Can plain frames take the path, each with one frame out at most, and as long as it came?"""
    action = path.header
    return (
        len(path.outputs) <= 1
        and not action.pops
        and not action.pushes
        and all(name != "payload" for name, _ in action.modify)
    )


def recorded_expressions(class_: Class) -> Iterator[Expr]:
    """What is read when a record is made."""
    yield from class_.condition
    yield from (value.expr for value in class_.values)
    for watch in class_.watches:
        yield from watch.keys


def of_flow(node: Expr) -> bool:
    """Does it read no more of the packet than its key?"""
    names = {n.name for n in walk((node,)) if isinstance(n, Field)}
    return names <= {*NARROW_FLOW, "sip6", "dip6"}


def _aged(every: Whole, node: object) -> bool:
    if not isinstance(node, Read | Has):
        return False
    home = every.home(node.var)
    return isinstance(home, tuple) and home[0].aged


# Headers ------------------------------------------------------------------------------------


def fixed(path: Path) -> Rewrite:
    """What of the path's header is the same for all packets of a record, addresses and ports."""
    values = tuple(
        (name, value) for name, value in path.header.modify if name in IMAGE and _steady(value)
    )
    return Rewrite(values, frozenset(path.header.summed) & {name for name, _ in values})


def _steady(value: Expr) -> bool:
    """Is it the same whenever a record is asked?"""
    return of_flow(value) and not any(
        isinstance(n, Read | Has | Now | Apply | Match) for n in walk((value,))
    )


def _image(paths: Iterable[Path]) -> Rewrite | None:
    """The rewriting of most of them."""
    found = Counter(r for path in paths if path.outputs and (r := fixed(path)).values)
    return found.most_common(1)[0][0] if found else None


def _in_image(class_: Class, image: Rewrite | None) -> Iterator[tuple[str, str]]:
    """Values of the record that stand in the image as they are: (value, field), each once."""
    seen: set[str] = set()
    types = {v.name: v.expr.type for v in class_.values}
    for field, value in image.values if image else ():
        if isinstance(value, Local) and value.name in types and value.name not in seen:
            type_ = types[value.name]
            if isinstance(type_, Bits) and not type_.signed and type_.width == FIELDS[field].width:
                seen.add(value.name)
                yield value.name, field


# Direct references ----------------------------------------------------------------------------


def _hints(every: Whole, paths: tuple[Path, ...]) -> tuple[tuple[str, Keys], ...]:
    """Keys of the chain's tables that are the same for all packets of a record; those that most
    paths use first."""
    found: Counter[tuple[str, Keys]] = Counter()
    for path in paths:
        used = dict.fromkeys(
            (home[0].id, node.keys)
            for node in walk(tuple(_read(path)))
            if isinstance(node, Read | Has | Write | Delete) and node.keys
            if isinstance(home := every.home(node.var), tuple)
            if _hintable(home[0], node.keys)
        )
        found.update(used.keys())
    return tuple(at for at, _ in found.most_common(MAX_HINTS))


def _read(path: Path) -> Iterator[Expr | Write | Delete]:
    yield from path.residual
    for function in path.functions:
        yield from function.writes
    yield from (value for _, value in path.header.modify)
    yield from path.outputs


def _hintable(table: TableLayout, keys: Keys) -> bool:
    slot = table.slot(table.key)
    return (
        not table.aged
        and not table.constant
        and slot & (slot - 1) == 0
        and slot <= PAGE
        and all(map(_steady, keys))
        and all(
            part.word is not None
            or (isinstance(key, Field) and key.name.endswith("6"))
            or (isinstance(key, Const) and key.value == 0)
            for part, key in zip(table.key.parts, keys, strict=True)
        )
    )
