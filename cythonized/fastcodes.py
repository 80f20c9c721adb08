"""Classes of a plan that need the same code: what parts them is in their records.

A record holds the addresses and ports that a packet of its flow leaves with, or, if all packets are
dropped, those that its state is kept under. So the classes of a chain, of which some rewrite one
address and some another, or nothing, mostly come down to few pieces of code, and which flows come
one after the other costs no mispredicted branches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from nfverify.cythonized.plan import NARROW_FLOW
from nfverify.fastpath.plan import Class, Path, StateFunction
from nfverify.smat.ir import (
    Apply,
    Delete,
    Expr,
    Field,
    Has,
    Local,
    Match,
    Now,
    Read,
    Write,
    field_type,
    walk,
)
from nfverify.smat.rebuild import mapped_expr

IMAGE = ("sip", "dip", "sport", "dport")  # in the order of nf_image
_SHORT, _LONG = NARROW_FLOW, ("sip", "dip", "", "", "sport", "dport", "proto")


@dataclass(frozen=True, slots=True)
class CodePath:
    """A path over the values of a record, by their names there. `image`: its addresses and ports
    leave as the record has them; `modify` is what else is written."""

    residual: tuple[Expr, ...]
    functions: tuple[StateFunction, ...]
    parallel: tuple[tuple[int, ...], ...]
    outputs: tuple[Expr, ...]
    image: bool
    modify: tuple[tuple[str, Expr], ...]
    summed: frozenset[str]

    def group_of(self, function: int) -> tuple[int, ...]:
        """The functions that run beside this one, itself among them."""
        return next((g for g in self.parallel if function in g), (function,))

    def expressions(self) -> Iterator[Expr]:
        """All that it reads, in order."""
        yield from self.residual
        for function in self.functions:
            for write in function.writes:
                yield from write.keys
                yield from write.values if isinstance(write, Write) else ()
        yield from (value for _, value in self.modify)
        yield from self.outputs


@dataclass(frozen=True, slots=True)
class Draft:
    """A class as code. `image`: what stands in the record's addresses and ports; `values`: names
    there, and in the plan."""

    number: int
    plan: Class
    paths: tuple[CodePath, ...]
    image: Mapping[str, Expr]
    summed: frozenset[str]
    values: Mapping[str, str]

    @property
    def written(self) -> bool:
        """Does any packet leave with other addresses or ports than it came with?"""
        other = any(value != Field(name) for name, value in self.image.items())
        return other and any(path.outputs for path in self.paths)


def drafts(classes: Iterable[Class], *, image: bool) -> list[Draft]:
    """The classes whose packets can be served as plain frames, each with the paths that can.
    Without `image`, a record need not be of the packet's own flow."""
    found = [(c, paths) for c in classes if (paths := tuple(filter(runs, c.paths)))]
    wanted = image and any(fixed(path)[0] for _, paths in found for path in paths)
    return [_draft(n, c, paths, wanted) for n, (c, paths) in enumerate(found, 1)]


def runs(path: Path) -> bool:
    """Can plain frames take the path, each with one frame out at most, and as long as it came?"""
    action = path.header
    return (
        len(path.outputs) <= 1
        and not action.pops
        and not action.pushes
        and all(name != "payload" for name, _ in action.modify)
    )


def steady(value: Expr) -> bool:
    """Is it the same whenever a record is asked?"""
    return of_flow(value) and not any(
        isinstance(n, Read | Has | Now | Apply | Match) for n in walk((value,))
    )


def of_flow(node: Expr) -> bool:
    """Does it read no more of the packet than its key?"""
    names = {n.name for n in walk((node,)) if isinstance(n, Field)}
    return names <= {*NARROW_FLOW, "sip6", "dip6"}


Fixed = tuple[tuple[tuple[str, Expr], ...], frozenset[str]]


def fixed(path: Path) -> Fixed:
    """What of a path's header is the same for all packets of a record, addresses and ports, and
    which of that goes into the sums."""
    if not path.outputs:
        return (), frozenset()
    values = tuple((n, v) for n, v in path.header.modify if n in IMAGE and steady(v))
    return values, frozenset(path.header.summed) & {name for name, _ in values}


def _draft(number: int, c: Class, paths: tuple[Path, ...], wanted: bool) -> Draft:
    image: dict[str, Expr] = {}
    summed: frozenset[str] = frozenset()
    shown: Fixed = (), summed
    if wanted:
        image = {name: Field(name) for name in IMAGE}
        found = Counter(fixed(path) for path in paths if path.outputs)
        if found:
            shown = max(found.items(), key=lambda item: (bool(item[0][0]), item[1]))[0]
            image |= dict(shown[0])
            summed = shown[1]
        else:
            image |= _kept_under(paths)
    names: dict[Expr, Local] = {
        value: Local(f"@{name}", value.type)
        for name, value in image.items()
        if isinstance(value, Local | Field) and value.type == field_type(name)
    }
    values: dict[str, str] = {}

    def change(node: Expr) -> Expr:
        if node in names:
            return names[node]
        if isinstance(node, Local):
            names[node] = Local(f"v{len(values)}", node.type)
            values[names[node].name] = node.name
            return names[node]
        return node

    made = tuple(_path(path, bool(image), shown, change) for path in paths)
    return Draft(number, c, made, image, summed, values)


def _path(path: Path, image: bool, shown: Fixed, change: Callable[[Expr], Expr]) -> CodePath:
    """With the record's names; what the image writes is left out."""

    def renamed(expr: Expr) -> Expr:
        return mapped_expr(expr, change)

    same = image and bool(path.outputs) and fixed(path) == shown
    modify = path.header.modify if path.outputs else ()
    if same:
        modify = tuple(pair for pair in modify if pair not in shown[0])
    functions = tuple(
        replace(f, writes=tuple(_renamed(w, renamed) for w in f.writes)) for f in path.functions
    )
    return CodePath(
        tuple(map(renamed, path.residual)),
        functions,
        tuple(group for group in path.parallel if len(group) > 1),
        tuple(map(renamed, path.outputs)),
        same,
        tuple((name, renamed(value)) for name, value in modify),
        frozenset(path.header.summed) & {name for name, _ in modify},
    )


def _renamed(write: Write | Delete, change: Callable[[Expr], Expr]) -> Write | Delete:
    keys = tuple(map(change, write.keys))
    if isinstance(write, Delete):
        return replace(write, keys=keys)
    return replace(write, keys=keys, values=tuple(map(change, write.values)))


def _kept_under(paths: tuple[Path, ...]) -> dict[str, Expr]:
    """The addresses and ports of a flow as the state functions of dropped packets know them."""
    for path in paths:
        for function in path.functions:
            for write in function.writes:
                names = _SHORT if len(write.keys) == 5 else _LONG
                if len(write.keys) != len(names):
                    continue
                pairs = dict(zip(names, write.keys, strict=True))
                found = {name: pairs[name] for name in IMAGE}
                fits = (steady(v) and v.type == field_type(n) for n, v in found.items())
                if all(fits) and pairs["proto"] == Field("proto"):
                    return found
    return {}


# Grouping ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Drafts of one piece of code. `chosen`: the record says whether a packet goes out."""

    paths: tuple[CodePath, ...]
    drafts: tuple[Draft, ...]
    chosen: bool

    @property
    def written(self) -> bool:
        return any(draft.written for draft in self.drafts)


def groups(found: Iterable[Draft]) -> list[Group]:
    """The drafts by their code. Of those with one path, forwarding and dropping ones are one."""
    by_code: dict[object, list[Draft]] = {}
    for draft in found:
        by_code.setdefault(_code(draft), []).append(draft)
    made: list[Group] = []
    for members in by_code.values():
        first = next((d for d in members if d.paths[0].outputs), members[0])
        chosen = any(d.paths[0].outputs != first.paths[0].outputs for d in members)
        outputs = {d.paths[0].outputs for d in members} - {()}
        if len(first.paths) == 1 and len(outputs) > 1:
            for each in sorted(outputs, key=repr):
                same = tuple(d for d in members if d.paths[0].outputs == each)
                made.append(Group(same[0].paths, same, chosen=False))
            dropped = tuple(d for d in members if not d.paths[0].outputs)
            if dropped:
                made.append(Group(dropped[0].paths, dropped, chosen=False))
            continue
        made.append(Group(first.paths, tuple(members), chosen))
    return made


def _code(draft: Draft) -> object:
    if len(draft.paths) > 1 or draft.paths[0].modify:
        return draft.paths
    (path,) = draft.paths
    return replace(path, outputs=(), image=False), bool(draft.image)
