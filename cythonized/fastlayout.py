"""Records of a fast path: what of a plan is compiled, and where in a record it lies.

A record's value part is the head (nf_mat_head), the addresses and ports of fastcodes.py, the other
values, and, at its end, where the slots were of the chain's entries that its code goes to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nfverify.cythonized.body import Keys
from nfverify.cythonized.ctypes_of import stored
from nfverify.cythonized.fastcodes import (
    IMAGE,
    CodePath,
    Draft,
    Group,
    drafts,
    groups,
    of_flow,
    steady,
)
from nfverify.cythonized.layout import InstanceLayout, Plain, TableLayout, size
from nfverify.cythonized.layout import Member as Column
from nfverify.cythonized.operators import BUILT_IN
from nfverify.cythonized.plan import NARROW_FLOW
from nfverify.cythonized.plan import Plan as Chain
from nfverify.fastpath.plan import Class, Plan
from nfverify.packet.fields import FIELDS
from nfverify.smat.ir import (
    Apply,
    Bool,
    Bytes,
    Const,
    Delete,
    Expr,
    Field,
    Has,
    Local,
    Now,
    Program,
    Read,
    Type,
    Write,
    field_type,
    walk,
)

HEAD_BYTES, IMAGE_BYTES, KEY_BYTES, HINT_BYTES = 12, 16, 16, 8
SLOTS = (64, 128, 256)  # sizes of records that there are
MAX_HINTS = 8
MAX_CLASSES = 1024
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Whole(InstanceLayout):
    """All NFs of a network as one, whose variables are called `instance.variable`."""

    parts: Mapping[str, InstanceLayout]

    def home(self, variable: str) -> tuple[TableLayout, Column] | Plain:
        instance, _, name = variable.rpartition(".")
        return self.parts[instance].home(name)


def whole(instances: tuple[InstanceLayout, ...]) -> Whole:
    """The NFs of a network as one."""
    nothing = Program("", (), (), (), (), (), ())
    tables = tuple(table for i in instances for table in i.tables)
    return Whole("fast", "fast", nothing, (), tables, {i.title: i for i in instances})


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a record: in the struct under `name`, in network order if `net` bits."""

    name: str
    type: Type
    net: int = 0

    @property
    def text(self) -> str:
        """What it is in a record `r`."""
        if isinstance(self.type, Bool):
            return f"(r.{self.name} != 0)"
        return f"nf_swap{self.net}(r.{self.name})" if self.net else f"r.{self.name}"


@dataclass(frozen=True, slots=True)
class Code:
    """What serves the packets of some classes; `members` are its records' struct."""

    number: int
    group: Group
    members: tuple[tuple[str, str], ...]
    values: Mapping[str, Value]
    hints: tuple[tuple[str, Keys], ...]  # (table, keys)

    @property
    def struct(self) -> str:
        return f"fast_code_{self.number}"

    @property
    def packed(self) -> tuple[tuple[str, Keys], ...]:
        """Of the hints, those whose packed key is the record's image."""
        return tuple(at for at in self.hints if self.group.drafts[0].image and _is_image(at[1]))


@dataclass(frozen=True, slots=True)
class ClassLayout:
    """A class that is recorded, in the plan's order."""

    draft: Draft
    code: Code

    @property
    def number(self) -> int:
        return self.draft.number

    @property
    def plan(self) -> Class:
        return self.draft.plan


@dataclass(frozen=True, slots=True)
class FastLayout:
    """A plan with the layout of its records; `hints` are there in each."""

    plan: Plan
    whole: Whole
    slot: int
    hints: int
    codes: tuple[Code, ...]
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
    def touching(self) -> frozenset[str]:
        """Variables under records that raise no events: packets of the flow write them."""
        recorded = tuple(e for c in self.classes for e in recorded_expressions(c.plan))
        read = {n.var for n in walk(recorded) if isinstance(n, Read | Has)}
        constant = {name for name, v in self.plan.variables() if v.constant}
        return frozenset(read - constant - set(self.events))

    @property
    def watches(self) -> int:
        """That a record has at most."""
        return max((len(c.plan.watches) for c in self.classes), default=0)

    @property
    def faulty(self) -> bool:
        return faulty(self.plan)


def faulty(plan: Plan) -> bool:
    """Has it members that no plan derived from a network has?"""
    return (
        plan.filed != "arriving"
        or plan.recorded != "after"
        or plan.checked != "before"
        or bool(plan.hashed)
        or set(plan.key) != set(NARROW_FLOW)
        or not (isinstance(plan.kept, Const) and plan.kept.value is False)
        or any(not of_flow(e) for c in plan.classes for e in recorded_expressions(c))
    )


def planned(chain: Chain, plan: Plan) -> Chain:
    """The chain with the fast path, if any of it can be compiled."""
    fast = layout(plan, chain.instances)
    if not fast.classes or not set(plan.key) <= set(NARROW_FLOW):
        return chain
    paths = (path for code in fast.codes for path in code.group.paths)
    puts = max(sum(len(f.writes) for f in path.functions) for path in paths)
    return replace(chain, fast=fast, puts=max(chain.puts, puts))


def layout(plan: Plan, instances: tuple[InstanceLayout, ...]) -> FastLayout:
    """What is compiled of a plan: all but the paths and classes that would need more than a record
    and plain frames have. Their flows get another class or none, and go through the chain."""
    every = whole(instances)
    found = [
        d
        for d in drafts(plan.classes[:MAX_CLASSES], image=not faulty(plan))
        if _recordable(every, d)
    ]
    made = groups(found)
    wanted = [_hints(every, group.paths) for group in made]
    least = max((_bytes(_types(group), bool(group.drafts[0].image)) for group in made), default=0)
    hints = max(map(len, wanted), default=0)
    while least + HINT_BYTES * hints > SLOTS[-1] - KEY_BYTES:
        hints -= 1
    slot = next(s for s in SLOTS if least + HINT_BYTES * hints <= s - KEY_BYTES)
    codes = tuple(
        _laid_out(number, group, at[:hints], slot, hints)
        for number, (group, at) in enumerate(zip(made, wanted, strict=True), 1)
    )
    of = {draft.number: code for code in codes for draft in code.group.drafts}
    classes = tuple(ClassLayout(draft, of[draft.number]) for draft in found)
    return FastLayout(plan, every, slot, hints, codes, classes)


def recorded_expressions(class_: Class) -> Iterator[Expr]:
    """What is read when a record is made."""
    yield from class_.condition
    yield from (value.expr for value in class_.values)
    for watch in class_.watches:
        yield from watch.keys


def _recordable(every: Whole, draft: Draft) -> bool:
    """Is all that a record rests on told by events, and may it be computed at any time?"""
    recorded = tuple(recorded_expressions(draft.plan))
    served = tuple(e for path in draft.paths for e in path.expressions())
    types = dict(_values_of(draft))
    return (
        not any(isinstance(t, Bytes) for t in types.values())
        and _bytes(types, bool(draft.image)) <= SLOTS[-1] - KEY_BYTES
        and not any(isinstance(n, Now) or _aged(every, n) for n in walk(recorded))
        and not any(isinstance(n, Apply) and n.op not in BUILT_IN for n in walk(recorded + served))
    )


def _aged(every: Whole, node: object) -> bool:
    if not isinstance(node, Read | Has):
        return False
    home = every.home(node.var)
    return not isinstance(home, Plain) and home[0].aged


# Members ----------------------------------------------------------------------------------------


def _values_of(draft: Draft) -> Iterator[tuple[str, Type]]:
    types = {value.name: value.expr.type for value in draft.plan.values}
    yield from ((name, types[plan]) for name, plan in draft.values.items())


def _types(group: Group) -> dict[str, Type]:
    return dict(_values_of(group.drafts[0]))


def _bytes(types: Mapping[str, Type], image: bool) -> int:
    """Of a value part without hints."""
    return sum(size for _, _, size in _places(types, image))


Place = tuple[str, str, int]  # C type and name of a struct's member, and its bytes


def _places(types: Mapping[str, Type], image: bool) -> list[Place]:
    """The members: the head, a value that fits behind it, the image, values from the largest on."""
    made: list[Place] = [("nf_mat_head", "head", HEAD_BYTES)]
    left = sorted(types.items(), key=lambda pair: -size(pair[1]))
    at = HEAD_BYTES

    def add(ctype: str, name: str, bytes_: int, align: int) -> None:
        nonlocal at
        gap = -at % align
        if gap:
            made.append(("u8", f"gap_{name}[{gap}]", gap))
        made.append((ctype, name, bytes_))
        at += gap + bytes_

    four = next((pair for pair in left if size(pair[1]) == 4), None)
    if four is not None:
        left.remove(four)
        left.insert(0, four)
    if image:
        if four is not None:
            add(stored(four[1]), four[0], 4, 4)
            del left[0]
        add("nf_image", "image", IMAGE_BYTES, 8)
    for name, type_ in left:
        add(stored(type_), name, size(type_), size(type_))
    return made


def _laid_out(
    number: int, group: Group, found: tuple[tuple[str, Keys], ...], slot: int, hints: int
) -> Code:
    values: dict[str, Value] = {}
    image = bool(group.drafts[0].image)
    if image:
        for name in IMAGE:
            values[f"@{name}"] = Value(f"image.{name}", field_type(name), FIELDS[name].width)
    values |= {name: Value(name, type_) for name, type_ in _types(group).items()}
    places = _places(_types(group), image)
    members = [(ctype, name) for ctype, name, _ in places]
    rest = slot - KEY_BYTES - HINT_BYTES * hints - sum(bytes_ for _, _, bytes_ in places)
    if rest:
        members.append(("u8", f"rest[{rest}]"))
    if hints:
        members.append(("u8*", f"hint[{hints}]"))
    return Code(number, group, tuple(members), values, found)


# Direct references ----------------------------------------------------------------------------


def _hints(every: Whole, paths: tuple[CodePath, ...]) -> tuple[tuple[str, Keys], ...]:
    """Keys of the chain's tables that are the same for all packets of a record; those that most
    paths use first."""
    found: Counter[tuple[str, Keys]] = Counter()
    moving = {
        home[0].id
        for path in paths
        for function in path.functions
        for write in function.writes
        if isinstance(write, Delete)
        if not isinstance(home := every.home(write.var), Plain)
    }
    for path in paths:
        used: dict[tuple[str, Keys], None] = {}
        writes = tuple(write for function in path.functions for write in function.writes)
        for node in walk((*path.expressions(), *writes)):
            if isinstance(node, Read | Has | Write | Delete) and node.keys:
                home = every.home(node.var)
                if isinstance(home, Plain) or home[0].id in moving:
                    continue
                if _hintable(home[0], node.keys):
                    used[home[0].id, node.keys] = None
        found.update(used.keys())
    return tuple(at for at, _ in found.most_common(MAX_HINTS))


_IMAGE_KEY = (*(Local(f"@{n}", field_type(n)) for n in IMAGE), Field("proto"))


def _is_image(keys: Keys) -> bool:
    """Is it the flow with the image's addresses and ports, in the order of FLOW_FIELDS?"""
    short = tuple(key for at, key in enumerate(keys) if len(keys) == 5 or at not in (2, 3))
    return short == _IMAGE_KEY


def _hintable(table: TableLayout, keys: Keys) -> bool:
    slot = table.slot(table.key)
    return (
        not table.aged
        and not table.constant
        and slot & (slot - 1) == 0
        and slot <= PAGE
        and not any(v for m in table.members for v in m.variable.default if isinstance(v, bytes))
        and not any(isinstance(t, Bytes) for t in table.types)
        and all(steady(key) or isinstance(key, Local) for key in keys)
        and all(
            part.word is not None
            or (isinstance(key, Field) and key.name.endswith("6"))
            or (isinstance(key, Const) and key.value == 0)
            for part, key in zip(table.key.parts, keys, strict=True)
        )
    )
