"""The rows of concrete stores as terms, and what generated code does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nfverify.equivalence.aged import COUNT_WIDTH, AgedMaps, count_name
from nfverify.equivalence.state import State, constant, width
from nfverify.equivalence.terms import Term, Terms
from nfverify.semantics.aged import alive, drop_expired
from nfverify.semantics.engine import Context, Key, Values
from nfverify.smat import ir

Rows = dict[Key, Values]


@dataclass(frozen=True, slots=True)
class StoreBase:
    """Maps as they are before the pass: a row is looked up, and its components taken."""

    terms: Terms
    variables: dict[str, ir.StateVar]

    def value(self, var: str, index: int, keys: tuple[Term, ...]) -> Term:
        types = (*self.variables[var].values, ir.TIME)
        return self.terms.uf(f"part {index} {var}", (self._row(var, keys),), width(types[index]))

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        return self.terms.uf(f"there {var}", (self._row(var, keys),), 0)

    def _row(self, var: str, keys: tuple[Term, ...]) -> Term:
        return self.terms.uf(f"row {var}", keys, 0)


def state_before(terms: Terms, program: ir.Program) -> State:
    """The state of one program, whatever it is."""
    variables = {v.name: v for v in program.state}
    plain: dict[str, tuple[Term, ...]] = {}
    for v in program.state:
        if not v.keys:
            plain[v.name] = tuple(
                constant(terms, v.default[i], type_)
                if v.constant
                else terms.var(f"plain {i} {v.name}", width(type_))
                for i, type_ in enumerate(v.values)
            )
        if v.capacity is not None:
            plain[count_name(v.name)] = (terms.var(f"count {v.name}", COUNT_WIDTH),)
    return State(terms, variables, StoreBase(terms, variables), plain)


def aged_maps(terms: Terms) -> AgedMaps:
    """As AgedMaps; which key is the oldest depends on the rows and on all writes before."""

    def oldest(state: State, var: str, now: Term) -> tuple[Term, ...]:
        log = state.logs.get(var, ())
        shape = "".join("d" if e.values is None else "w" for e in log)
        args = [part for e in log for part in (e.guard, *e.keys)]
        victim = terms.uf(f"victim {shape}. {var}", args, 0)
        types = state.variables[var].keys
        return tuple(terms.uf(f"key {i} {var}", (victim,), width(t)) for i, t in enumerate(types))

    return AgedMaps(terms, oldest)


# What generated code calls ----------------------------------------------------------------


def putter(variable: ir.StateVar) -> Callable[[Rows, Key, Values, int], None]:
    """Puts a row with its stamp in place; what expired goes."""

    def put(rows: Rows, key: Key, row: Values, now: int) -> None:
        drop_expired(variable, rows, now)
        rows.pop(key, None)
        rows[key] = row

    return put


def counter(variable: ir.StateVar) -> Callable[[Rows, int], int]:
    """Counts the keys that are alive."""

    def count(rows: Rows, now: int) -> int:
        drop_expired(variable, rows, now)
        return len(rows)

    return count


def oldest_finder(
    variable: ir.StateVar, shape: str
) -> Callable[[Rows, int, Sequence[tuple[bool, Key]]], Key]:
    """The key assigned longest ago after some assignments and deletions (`shape`: w and d)."""
    nothing = tuple(ir.zero(t) for t in variable.keys)

    def oldest(rows: Rows, now: int, log: Sequence[tuple[bool, Key]]) -> Key:
        changed: dict[Key, None] = {}
        assigned: dict[Key, None] = {}
        for kind, (happens, key) in zip(shape, log, strict=True):
            if happens:
                changed[key] = None
                assigned.pop(key, None)
                if kind == "w":
                    assigned[key] = None
        for key, row in rows.items():
            if key not in changed and alive(variable, row, now):
                return key
        return next(iter(assigned), nothing)

    return oldest


Candidates = Callable[[int, int, Callable[[int], bool]], int | None]


def candidates(context: Context, node: ir.Choose) -> Candidates:
    """The choice between two bounds by whom the context says, else the first that fits; numbers
    are unsigned, as in terms."""
    type_ = node.type
    assert isinstance(type_, ir.Bits)
    mask = (1 << type_.width) - 1

    def choose(low: int, high: int, fits: Callable[[int], bool]) -> int | None:
        start, end = ir.wrap(low, type_), ir.wrap(high, type_)
        found = range(start, min(end, start + ir.MAX_CHOICES - 1) + 1)
        if context.chooser is None:
            chosen = next((c for c in found if fits(c & mask)), None)
        else:
            chosen = context.chooser(context.instance, node, found, lambda c: fits(c & mask))
        return None if chosen is None else chosen & mask

    return choose
