"""Tables: the first entry whose guard holds runs, by one chain of tests and one look-up a key."""

from __future__ import annotations

from dataclasses import dataclass, field

from nfverify.cythonized import access
from nfverify.cythonized.body import Body, Cursor, Keys
from nfverify.cythonized.expressions import YES, cheap
from nfverify.cythonized.function import INDENT
from nfverify.cythonized.layout import Plain, TableLayout
from nfverify.cythonized.names import comment
from nfverify.cythonized.tables import TableCode
from nfverify.semantics.walk import entry_title
from nfverify.smat.ir import (
    And,
    Apply,
    Const,
    Drop,
    Entry,
    Expr,
    Forward,
    Has,
    Local,
    Or,
    Ports,
    Read,
    SetOutput,
    Stmt,
    walk,
)


@dataclass(slots=True)
class Use:
    """A key that guards look up, with the entries that do."""

    table: TableLayout
    keys: Keys
    entries: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Item:
    """An entry as text: what is computed before its guard, the guard, the body."""

    title: str
    before: list[str]
    guard: str
    lines: list[str]


def table(body: Body, entries: tuple[Entry, ...]) -> None:
    """The entries in order, each as the visitor writes it."""
    visitor = body.plan.visitor
    uses = _uses(body, entries)
    conditional: set[tuple[str, Keys]] = set()
    items: list[_Item] = []
    ends: list[dict[tuple[str, Keys], Cursor]] = []
    homes = dict(body.homes)
    lasting = dict(homes)
    for place, entry in enumerate(entries):
        with body.function.captured() as before:
            for use in uses:
                at = (use.table.id, use.keys)
                first = use.entries[0] == place and at not in body.cursors
                if first and _look_up(body, entries, use):
                    conditional.add(at)
            guard = visitor.visit_match(body, entry)
        cursors = dict(body.cursors)
        with body.function.captured() as lines:
            _count(body, entry, place)
            visitor.visit_entry(body, entry)
        items.append(_Item(_title(entry, place), before, guard, lines))
        ends.append(body.cursors)
        lasting = {at: h for at, h in lasting.items() if body.homes.get(at) == h}
        body.cursors, body.homes = cursors, dict(homes)
    ends.append(body.cursors)
    body.homes = lasting
    body.cursors = {
        at: cursor
        for at, cursor in body.cursors.items()
        if at not in conditional and all(end.get(at) is cursor for end in ends)
    }
    _lay_out(body, items)


MAX_VERDICTS = 4


def verdicts(body: Body, entries: tuple[Entry, ...]) -> bool:
    """A table that only says where packets go, by few tests without look-ups: written without
    branches, for its traffic decides them, and each mispredicted one costs as much as ten tests.
    False: it is another one."""
    outs = [_constant_output(body, entry.body) for entry in entries]
    guards = [entry.guard for entry in entries]
    if (
        len(entries) > MAX_VERDICTS
        or None in outs
        or body.plan.options.count_entries
        or any(
            isinstance(n, Has | Apply) or (isinstance(n, Read) and n.keys)
            for n in walk(tuple(guards))
        )
    ):
        return False
    text = "out"
    for guard, out in reversed(list(zip(guards, outs, strict=True))):
        text = f"nf_choose({body.value(guard)}, {out or 'out'}, {text})"
    body.emit(*(f"# {_title(entry, place)}" for place, entry in enumerate(entries)))
    body.emit(f"out = {text}")
    return True


def _constant_output(body: Body, statements: tuple[Stmt, ...]) -> str | None:
    """The output that an entry assigns and nothing else; "" if it does nothing."""
    match statements:
        case ():
            return ""
        case (SetOutput(output=Forward()),):
            return "NF_FORWARD"
        case (SetOutput(output=Drop() | Ports(ports=())),):
            return "NF_DROP"
        case (SetOutput(output=Ports(ports=(Const(value=int(port)),))),):
            return str(port) if 0 <= port < body.plan.ports else None
    return None


def _title(entry: Entry, place: int) -> str:
    title = entry_title(entry, place)
    line = f"line {entry.span.line}" if entry.span.source.text else ""
    named = title if title == line or not line else f"{title}, {line}"
    return comment(named)


def _count(body: Body, entry: Entry, place: int) -> None:
    if body.plan.options.count_entries:
        number = body.resources.entry(f"{body.instance.title}: {entry_title(entry, place)}")
        body.emit(f"S.core.hits[{number}] += 1")


# The text -----------------------------------------------------------------------------------


def _lay_out(body: Body, items: list[_Item]) -> None:
    """One chain of tests; a new one where something must be computed before a guard."""
    segments: list[list[_Item]] = []
    for item in items:
        if not segments or item.before:
            segments.append([])
        segments[-1].append(item)
    taken = ""
    if len(segments) > 1:
        taken = body.temporary("u32", "taken", "0")
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if number == 0:
            body.function.lines.extend(segment[0].before)
            _chain(body, segment, "" if last else taken)
        else:
            body.emit(f"if not {taken}:")
            body.function.lines.extend(INDENT + line for line in segment[0].before)
            body.function.depth += 1
            _chain(body, segment, "" if last else taken, INDENT)
            body.function.depth -= 1


def _chain(body: Body, items: list[_Item], taken: str, indent: str = "") -> None:
    for place, item in enumerate(items):
        head = f"{'elif' if place else 'if'} {item.guard}:"
        if place and item.guard == YES:
            head = "else:"  # and what stands behind is never reached
        body.emit(f"{head}  # {item.title}")
        lines = [INDENT + indent + line for line in item.lines]
        body.function.lines.extend(lines)
        body.function.depth += 1
        if taken:
            body.emit(f"{taken} = 1")
        elif not lines:
            body.emit("pass")
        body.function.depth -= 1
        if head == "else:":
            break


# Look-ups -----------------------------------------------------------------------------------


def _uses(body: Body, entries: tuple[Entry, ...]) -> list[Use]:
    """The keys that a guard looks up and that can be looked up before the guard."""
    uses: dict[tuple[str, Keys], Use] = {}
    for place, entry in enumerate(entries):
        for node in walk((entry.guard,)):
            if isinstance(node, Read | Has) and node.keys and early(body, node.keys):
                home = body.instance.home(node.var)
                assert not isinstance(home, Plain)
                layout, _ = home
                if body.resources.dense(layout) is None:
                    at = (layout.name, node.keys)
                    use = uses.setdefault(at, Use(layout, node.keys))
                    if place not in use.entries:
                        use.entries.append(place)
    for use in uses.values():
        first = use.entries[0]
        names = {m.variable.name for m in use.table.members}
        use.entries = [
            place
            for place, entry in enumerate(entries)
            if place >= first
            and any(
                getattr(n, "keys", None) == use.keys and getattr(n, "var", None) in names
                for n in walk((entry,))
            )
        ]
    return list(uses.values())


def early(body: Body, keys: Keys) -> bool:
    """Can the key be packed before it is known if it is needed: no state, nothing costly, no local
    that an entry binds."""
    return all(map(cheap, keys)) and all(
        n.name in body.locals for n in walk(keys) if isinstance(n, Local)
    )


def flow_condition(entry: Entry) -> tuple[Expr, ...]:
    """The conjuncts over the packet that cost nothing to test once more."""
    return tuple(conjunct for conjunct in entry.match_flow if cheap(conjunct))


def _look_up(body: Body, entries: tuple[Entry, ...], use: Use) -> bool:
    """One look-up for all entries that need the key; was it made on a condition?"""
    conditions = [And(flow_condition(entries[place])) for place in use.entries]
    distinct = tuple(dict.fromkeys(conditions))
    if any(condition == And(()) for condition in distinct):
        access.find(body, use.table, use.keys)
        return False
    code = TableCode.of(use.table)
    key = access.pack(body, use.table, use.keys)
    pointer = body.function.declare(f"{code.value}*", "e", "NULL")
    test = body.value(Or(distinct) if len(distinct) > 1 else distinct[0])
    with body.function.block(f"if {test}:"):
        access.look_up(body, use.table, use.keys, key, pointer)
    body.cursors[use.table.id, use.keys] = Cursor(pointer, key, hashed=False)
    return True
