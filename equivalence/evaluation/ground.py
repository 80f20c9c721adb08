"""Terms over a concrete state: what is known folds away, so that only undetermined choices stay.

Rows hold numbers as terms do (unsigned), bytes as they are, and a term where a value is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nfverify.equivalence.aged import COUNT_WIDTH, AgedMaps, count_name
from nfverify.equivalence.evaluation.decisions import rebuild, replace
from nfverify.equivalence.evaluation.literals import LiteralTerms
from nfverify.equivalence.evaluation.meaning import Meaning
from nfverify.equivalence.state import LogEntry, State, width
from nfverify.equivalence.terms import Term, subterms
from nfverify.smat import ir

Raw = bool | int | bytes
Part = Raw | Term
Key = tuple[Raw, ...]
Rows = dict[Key, tuple[Part, ...]]
Group = tuple[Key, Key, Part]  # rows from one key to another, and what they share
Functions = dict[str, Callable[..., Raw]]
Change = Callable[[Sequence[Term]], list[Term]]

MOST_GROUPS = 70_000  # of rows that a look-up at an unknown key tells apart
MOST_SEVERAL = 2000  # if the key has several components


class Unclear(Exception):
    """The question is too hard for the means at hand: never a verdict of its own."""


class GroundTerms(LiteralTerms):
    """Functions of known arguments are what they really are; `base` is the state that is read."""

    def __init__(self, meanings: Sequence[Meaning], functions: Functions | None = None) -> None:
        super().__init__()
        self.meanings = meanings
        self.base: GroundBase | None = None
        self._functions: Functions = {} if functions is None else functions  # by name, made once

    def uf(self, name: str, args: Sequence[Term], width: int) -> Term:
        """The value, if all arguments are known."""
        term = super().uf(name, args, width)
        if not all(a.is_const for a in args):
            return term
        values = tuple(a.data for a in args)
        kind, _, rest = name.partition(" ")
        if kind in ("part", "there", "victim"):
            assert self.base is not None
            return self.raw(self.base.known(kind, rest, values), width)
        if name not in self._functions:
            self._functions[name] = self._function(term)
        return self.raw(self._functions[name](*values), width)

    def raw(self, value: Part, width: int) -> Term:
        """A part of a row as a term."""
        if isinstance(value, Term):
            return value
        if isinstance(value, bytes):
            return self.string(value)
        return self.const(value, width) if width else self.boolean(bool(value))

    def _function(self, term: Term) -> Callable[..., Raw]:
        names = [f"a{i}" for i in range(len(term.args))]
        for meaning in self.meanings:
            try:
                text = meaning.apply(term, names)
            except KeyError:  # an operator or ruleset of another program
                continue
            made: Callable[..., Raw] = eval(f"lambda {', '.join(names)}: {text}", meaning.objects)
            return made
        raise AssertionError(term.data)


def part(term: Term) -> Part:
    """A term as a part of a row: its value, if that is known."""
    return term.data if term.is_const else term


class Lookup(Protocol):
    """The rows of a variable, oldest first."""

    def get(self, key: Key, /) -> tuple[Part, ...] | None: ...

    def __contains__(self, key: Key, /) -> bool: ...

    def items(self) -> Iterable[tuple[Key, tuple[Part, ...]]]: ...


@dataclass(slots=True)
class GroundBase:
    """The rows of a state that is known up to undetermined parts."""

    terms: GroundTerms
    variables: Mapping[str, ir.StateVar]
    rows: Mapping[str, Lookup]
    now: int

    def value(self, var: str, index: int, keys: tuple[Term, ...]) -> Term:
        return self.terms.uf(f"part {index} {var}", keys, self._width(var, index))

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        return self.terms.uf(f"there {var}", keys, 0)

    def _width(self, var: str, index: int) -> int:
        return width((*self.variables[var].values, ir.TIME)[index])

    def default(self, var: str, index: int) -> Raw:
        variable = self.variables[var]
        if index == len(variable.values):
            return 0
        return raw_value(variable.default[index], variable.values[index])

    def known(self, kind: str, rest: str, key: Key) -> Part:
        """What a look-up at a known key gives."""
        if kind == "there":
            return key in self.rows[rest]
        if kind == "part":
            index, var = rest.split(" ", 1)
            row = self.rows[var].get(key)
            return self.default(var, int(index)) if row is None else row[int(index)]
        index, shape, var = rest.split(" ", 2)
        return self._victim(var, shape, key)[int(index)]

    def _victim(self, var: str, shape: str, log: Key) -> Key:
        """The key assigned longest ago and alive, after the writes of this step."""
        variable = self.variables[var]
        each = 1 + len(variable.keys)
        changed: set[Key] = set()
        assigned: dict[Key, None] = {}
        for i, kind in enumerate(shape[1:]):
            happens, *key = log[i * each : (i + 1) * each]
            if happens:
                changed.add(tuple(key))
                assigned.pop(tuple(key), None)
                if kind == "w":
                    assigned[tuple(key)] = None
        for found, row in self.rows[var].items():
            if found not in changed and not expired(variable, row, self.now):
                return found
        nothing = tuple(raw_value(ir.zero(t), t) for t in variable.keys)
        return next(iter(assigned), nothing)

    def expand(self, roots: Sequence[Term]) -> list[Term]:
        """The roots with look-ups at unknown keys written out. Unclear if they are too many."""
        known: dict[int, Term] = {}
        for term in subterms(roots):
            kind, _, rest = term.data.partition(" ") if term.op == "uf" else ("", "", "")
            if kind == "victim":
                raise Unclear("which key of a map with `max` is the oldest depends on a choice")
            if kind in ("part", "there"):
                args = replace(self.terms, term.args, known)
                if not all(a.is_const for a in args):
                    known[term.id] = self._written_out(kind, rest, tuple(args))
        return replace(self.terms, roots, known)

    def _written_out(self, kind: str, rest: str, keys: tuple[Term, ...]) -> Term:
        terms = self.terms
        index, _, var = rest.partition(" ") if kind == "part" else ("", "", rest)
        bits = self._width(var, int(index)) if index else 0
        default = terms.raw(self.default(var, int(index)), bits) if index else terms.false
        groups = self._groups(var, int(index) if index else None)
        if len(keys) == 1 and keys[0].width:
            return self._searched(keys[0], groups, default)
        result = default
        for key, _, value in groups:
            pairs = zip(keys, key, strict=True)
            hit = terms.all(terms.eq(k, terms.raw(a, k.width)) for k, a in pairs)
            result = terms.ite(hit, terms.raw(value, bits), result)
        return result

    def _searched(self, key: Term, groups: Sequence[Group], default: Term) -> Term:
        """The value of the group that a key is in, by halving."""
        terms = self.terms
        if not groups:
            return default
        if len(groups) == 1:
            [(low, high, value)] = groups
            return terms.ite(
                _within(terms, key, low[0], high[0]), terms.raw(value, default.width), default
            )
        middle = len(groups) // 2
        below = terms.compare("ult", key, terms.raw(groups[middle][0][0], key.width))
        return terms.ite(
            below,
            self._searched(key, groups[:middle], default),
            self._searched(key, groups[middle:], default),
        )

    def _groups(self, var: str, index: int | None) -> list[Group]:
        """Rows as (lowest key, highest key, value); neighbours with one value are one group."""
        groups: list[Group] = []
        for key, row in sorted(self.rows[var].items(), key=lambda item: item[0]):
            value: Part = True if index is None else row[index]
            if groups and _follows(groups[-1][1], key) and groups[-1][2] == value:
                groups[-1] = (groups[-1][0], key, value)
                continue
            groups.append((key, key, value))
            if len(groups) > (MOST_GROUPS if len(key) == 1 else MOST_SEVERAL):
                raise Unclear(f"a look-up in {var} at a key that is not known")
        return groups


def _follows(last: Key, key: Key) -> bool:
    """Is a key of one number the next one?"""
    number, before = key[0], last[0]
    return len(key) == 1 and type(number) is int and type(before) is int and number == before + 1


def _within(terms: GroundTerms, key: Term, low: Raw, high: Raw) -> Term:
    if low == high:
        return terms.eq(key, terms.raw(low, key.width))
    a, b = terms.raw(low, key.width), terms.raw(high, key.width)
    return terms.and_(terms.compare("ule", a, key), terms.compare("ule", key, b))


def expired(variable: ir.StateVar, row: Sequence[Part], now: int) -> bool:
    """Is the time of a row over? Stamps are always known."""
    stamp = row[-1]
    if variable.timeout is None or not isinstance(stamp, int):
        return False
    return now - stamp >= variable.timeout


def raw_value(value: ir.Value, type_: ir.Type) -> Raw:
    """A value of the program as terms hold it."""
    return int(value) & ((1 << type_.width) - 1) if isinstance(type_, ir.Bits) else value


def typed_value(value: Raw, type_: ir.Type) -> ir.Value:
    """The other way round."""
    return ir.wrap(int(value), type_) if isinstance(type_, ir.Bits) else value


def ground_aged(terms: GroundTerms) -> AgedMaps:
    """As AgedMaps over a GroundBase."""

    def oldest(state: State, var: str, now: Term) -> tuple[Term, ...]:
        log = state.logs.get(var, ())
        shape = "." + "".join("d" if e.values is None else "w" for e in log)
        args = [a for e in log for a in (e.guard, *e.keys)]
        return tuple(
            terms.uf(f"victim {i} {shape} {var}", args, width(t))
            for i, t in enumerate(state.variables[var].keys)
        )

    return AgedMaps(terms, oldest)


@dataclass(slots=True)
class Holdings:
    """The variables of a network as far as they are known: rows, plain values, and writes whose
    guard or key is not known yet."""

    variables: Mapping[str, ir.StateVar]
    rows: dict[str, Rows]
    plain: dict[str, tuple[Part, ...]]
    logs: dict[str, tuple[LogEntry, ...]] = field(default_factory=dict)
    open: dict[str, set[Key]] = field(default_factory=dict)  # keys whose row holds a term

    def copy(self) -> Holdings:
        rows = {
            name: held if self.variables[name].constant else held.copy()
            for name, held in self.rows.items()
        }
        unknown = {name: set(keys) for name, keys in self.open.items()}
        return Holdings(self.variables, rows, dict(self.plain), dict(self.logs), unknown)

    def state(self, terms: GroundTerms, now: int) -> State:
        """As the symbolic semantics has it, at a time."""
        terms.base = GroundBase(terms, self.variables, self.rows, now)
        plain = {}
        for name, values in self.plain.items():
            types = self.variables[name].values
            plain[name] = tuple(terms.raw(v, width(t)) for v, t in zip(values, types, strict=True))
        for name, variable in self.variables.items():
            if variable.aged and not self.logs.get(name):
                self.forget(name, now)
            if variable.capacity is not None:
                if self.logs.get(name):
                    raise Unclear(f"how many keys {name} has depends on a choice")
                plain[count_name(name)] = (terms.const(len(self.rows[name]), COUNT_WIDTH),)
        return State(terms, dict(self.variables), terms.base, plain, dict(self.logs))

    def forget(self, name: str, now: int) -> None:
        """Takes away the rows whose time is over; the oldest come first."""
        rows, variable = self.rows[name], self.variables[name]
        while rows:
            key = next(iter(rows))
            if not expired(variable, rows[key], now):
                return
            del rows[key]
            self.open.get(name, set()).discard(key)

    def settle(
        self, plain: Mapping[str, tuple[Term, ...]], logs: Mapping[str, Sequence[LogEntry]]
    ) -> None:
        """The state after a step, as far as it is known now."""
        self.plain = {n: tuple(map(part, plain[n])) for n in self.plain}
        self.settle_logs(logs)

    def settle_logs(self, logs: Mapping[str, Sequence[LogEntry]]) -> None:
        """The writes of which all is known are done, up to the first of which it isn't."""
        for name, log in tuple(logs.items()):
            left = 0
            for entry in log:
                if entry.guard.data is not False:
                    if not (entry.guard.is_const and all(k.is_const for k in entry.keys)):
                        break
                    self._put(name, tuple(k.data for k in entry.keys), entry.values)
                left += 1
            rest = tuple(e for e in log[left:] if e.guard.data is not False)
            if rest:
                self.logs[name] = rest
            else:
                self.logs.pop(name, None)

    def _put(self, name: str, key: Key, values: tuple[Term, ...] | None) -> None:
        rows, unknown = self.rows[name], self.open.setdefault(name, set())
        rows.pop(key, None)
        unknown.discard(key)
        if values is not None:
            rows[key] = tuple(map(part, values))
            if not all(v.is_const for v in values):
                unknown.add(key)

    def unknown_terms(self) -> list[Term]:
        """All terms in the state that are no values."""
        found = [p for values in self.plain.values() for p in values if isinstance(p, Term)]
        for log in self.logs.values():
            found += [t for e in log for t in (e.guard, *e.keys, *(e.values or ()))]
        for name, keys in self.open.items():
            for key in sorted(keys):
                found += [p for p in self.rows[name][key] if isinstance(p, Term)]
        return found

    def change_rows(self, change: Change) -> None:
        """Every term in the rows by `change`."""
        for name, keys in self.open.items():
            for key in sorted(keys):
                row = self.rows[name][key] = changed(self.rows[name][key], change)
                if not any(isinstance(p, Term) for p in row):
                    keys.discard(key)

    def move(self, change: Change) -> None:
        """Every term of the state by `change`, into another table."""
        self.change_rows(change)
        self.plain = {n: changed(values, change) for n, values in self.plain.items()}
        self.logs = {
            name: tuple(
                LogEntry(
                    change([e.guard])[0],
                    tuple(change(e.keys)),
                    None if e.values is None else tuple(change(e.values)),
                )
                for e in log
            )
            for name, log in self.logs.items()
        }


def changed(parts: Sequence[Part], change: Change) -> tuple[Part, ...]:
    """The terms among some parts by `change`."""
    return tuple(part(change([p])[0]) if isinstance(p, Term) else p for p in parts)


def put_in(terms: GroundTerms, roots: Sequence[Term], known: dict[int, Term]) -> list[Term]:
    """The roots with symbols (by id) replaced; also those that looked-up rows bring in."""
    found = replace(terms, roots, known)
    while known and any(t.op == "var" and t.id in known for t in subterms(found)):
        found = replace(terms, found, known)
    return found


def moved(terms: GroundTerms, roots: Sequence[Term]) -> list[Term]:
    """Terms of another table in this one."""
    new: dict[int, Term] = {}
    for term in subterms(roots):
        match term.op:
            case "const":
                new[term.id] = terms.raw(term.data, term.width)
            case "var":
                new[term.id] = terms.var(term.data, term.width)
            case _:
                new[term.id] = rebuild(terms, term, [new[a.id] for a in term.args])
    return [new[r.id] for r in roots]
