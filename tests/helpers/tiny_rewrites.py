"""Rewrites of programs that keep their meaning, and mutations that may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

from tiny_ir import rewrite_one, rewrite_program
from tiny_programs import FLOWS

from nfverify.smat import ir

Rewrite = Callable[[ir.Program, Random], ir.Program | None]


def const(value: int, type_: ir.Type) -> ir.Const:
    assert isinstance(type_, ir.Bits)
    return ir.Const(ir.wrap(value, type_), type_)


def pick(rng: Random, variables: Iterable[ir.StateVar]) -> ir.StateVar | None:
    found = list(variables)
    return rng.choice(found) if found else None


def reads(program: ir.Program, kind: type, name: str) -> bool:
    return any(
        isinstance(n, kind) and n.var == name  # type: ignore[attr-defined]  # it is Has, Delete, …
        for n in ir.walk((*program.init, *program.body))
    )


def declare(
    program: ir.Program, old: ir.StateVar, *new: ir.StateVar, more: tuple[ir.StateVar, ...] = ()
) -> ir.Program:
    """The program with `new` declared instead of `old`."""
    state: list[ir.StateVar] = []
    for variable in program.state:
        state += new if variable == old else [variable]
    return replace(program, state=(*state, *more))


def rename(program: ir.Program, rng: Random) -> ir.Program | None:
    """Every variable gets another name, and they are declared in another order."""
    if not program.state:
        return None
    names = {v.name: f"r{i}" for i, v in enumerate(program.state)}

    def visit(node: Any) -> Any:
        match node:
            case ir.Read() | ir.Has() | ir.Write() | ir.Delete():
                return replace(node, var=names[node.var])
            case _:
                return node

    state = [replace(v, name=names[v.name]) for v in program.state]
    rng.shuffle(state)
    return replace(rewrite_program(program, visit), state=tuple(state))


def permute_key(program: ir.Program, rng: Random) -> ir.Program | None:
    old = pick(rng, (v for v in program.state if len(v.keys) > 1))
    if old is None:
        return None

    def visit(node: Any) -> Any:
        match node:
            case ir.Read(var=old.name) | ir.Has(var=old.name):
                return replace(node, keys=node.keys[::-1])
            case ir.Write(var=old.name) | ir.Delete(var=old.name):
                return replace(node, keys=node.keys[::-1])
            case _:
                return node

    entries = tuple((k[::-1], v) for k, v in old.entries)
    new = replace(old, keys=old.keys[::-1], entries=entries)
    return declare(rewrite_program(program, visit), old, new)


def set_to_map(program: ir.Program, rng: Random) -> ir.Program | None:
    """A set becomes a map to bool, or to numbers of which one means: in it."""
    old = pick(rng, (v for v in program.state if v.kind == "set"))
    if old is None:
        return None
    type_: ir.Type = rng.choice((ir.BOOL, ir.Bits(2), ir.INT))
    yes = ir.TRUE if type_ == ir.BOOL else const(rng.randrange(1, 4), type_)
    no = ir.FALSE if type_ == ir.BOOL else const(0, type_)

    def visit(node: Any) -> Any:
        match node:
            case ir.Has(var=old.name, keys=keys):
                value = ir.Read(old.name, keys, 0, type_)
                return value if type_ == ir.BOOL else ir.Compare("==", value, yes)
            case ir.Write(var=old.name, keys=keys):
                return ir.Write(old.name, keys, (yes,))
            case ir.Delete(var=old.name, keys=keys):
                return ir.Write(old.name, keys, (no,))
            case _:
                return node

    new = replace(old, values=(type_,), default=(no.value,), kind="map")
    return declare(rewrite_program(program, visit), old, new)


def map_to_set(program: ir.Program, rng: Random) -> ir.Program | None:
    """A map to bool of which nobody asks what is in it becomes a set."""
    old = pick(
        rng,
        (
            v
            for v in program.state
            if v.keys
            and v.values == (ir.BOOL,)
            and v.default == (False,)
            and not v.entries
            and not reads(program, ir.Has, v.name)
        ),
    )
    if old is None:
        return None

    def visit(node: Any) -> Any:
        match node:
            case ir.Read(var=old.name, keys=keys):
                return ir.Has(old.name, keys)
            case ir.Write(var=old.name, keys=keys, values=(value,)):
                put, remove = ir.Write(old.name, keys, ()), ir.Delete(old.name, keys)
                if value == ir.TRUE:
                    return put
                return remove if value == ir.FALSE else ir.If(value, (put,), (remove,))
            case _:
                return node

    new = replace(old, values=(), default=(), kind="set")
    return declare(rewrite_program(program, visit), old, new)


def reverse_counter(program: ir.Program, rng: Random) -> ir.Program | None:
    """A number that is kept as a constant minus it."""
    numbers = (v for v in program.state if len(v.values) == 1 and isinstance(v.values[0], ir.Bits))
    old = pick(rng, numbers)
    if old is None:
        return None
    type_ = old.values[0]
    assert isinstance(type_, ir.Bits)
    total = rng.randrange(1, 4)

    def turned(value: ir.Expr) -> ir.Expr:
        return ir.Arithmetic("-", const(total, type_), value, type_)

    def visit(node: Any) -> Any:
        match node:
            case ir.Read(var=old.name):
                return turned(node)
            case ir.Write(var=old.name, keys=keys, values=(value,)):
                return ir.Write(old.name, keys, (turned(value),))
            case _:
                return node

    def swap(values: tuple[ir.Value, ...]) -> tuple[ir.Value, ...]:
        return tuple(ir.wrap(total - int(v), type_) for v in values)

    entries = tuple((k, swap(v)) for k, v in old.entries)
    new = replace(old, default=swap(old.default), entries=entries)
    return declare(rewrite_program(program, visit), old, new)


def merge_variables(program: ir.Program, rng: Random) -> ir.Program | None:
    """Two variables under the same keys become one of two components."""
    pairs = [
        (x, y)
        for x in program.state
        for y in program.state
        if x.name < y.name
        and x.keys == y.keys
        and len(x.values) == len(y.values) == 1
        and not x.entries
        and not y.entries
        and not any(reads(program, k, v.name) for v in (x, y) for k in (ir.Has, ir.Delete))
    ]
    if not pairs:
        return None
    x, y = rng.choice(pairs)
    at = {x.name: 0, y.name: 1}
    types = (*x.values, *y.values)

    def visit(node: Any) -> Any:
        match node:
            case ir.Read(var=var, keys=keys, type=type_) if var in at:
                return ir.Read("both", keys, at[var], type_)
            case ir.Write(var=var, keys=keys, values=(value,)) if var in at:
                other = 1 - at[var]
                kept = ir.Read("both", keys, other, types[other])
                return ir.Write("both", keys, (kept, value) if other == 0 else (value, kept))
            case _:
                return node

    kind = "map" if x.keys else "plain"
    both = ir.StateVar("both", x.keys, types, (*x.default, *y.default), kind)  # type: ignore[arg-type]  # one of its kinds
    return declare(declare(rewrite_program(program, visit), x, both), y)


def merge_flags(program: ir.Program, rng: Random) -> ir.Program | None:
    """Two flags under the same keys become one number: 2 * x + y."""
    flags = [
        v
        for v in program.state
        if v.values == (ir.BOOL,)
        and not v.entries
        and not any(reads(program, k, v.name) for k in (ir.Has, ir.Delete))
    ]
    pairs = [(x, y) for x in flags for y in flags if x.name < y.name and x.keys == y.keys]
    if not pairs:
        return None
    x, y = rng.choice(pairs)
    two = ir.Bits(2)
    bit = {x.name: 2, y.name: 1}

    def visit(node: Any) -> Any:
        match node:
            case ir.Read(var=var, keys=keys) if var in bit:
                number = ir.Read("both", keys, 0, two)
                masked = ir.Arithmetic("&", number, const(bit[var], two), two)
                return ir.Compare("!=", masked, const(0, two))
            case ir.Write(var=var, keys=keys, values=(value,)) if var in bit:
                number = ir.Read("both", keys, 0, two)
                rest = ir.Arithmetic("&", number, const(3 - bit[var], two), two)
                chosen = ir.Conditional(value, const(bit[var], two), const(0, two), two)
                return ir.Write("both", keys, (ir.Arithmetic("|", rest, chosen, two),))
            case _:
                return node

    start = 2 * int(x.default[0]) + int(y.default[0])
    both = ir.StateVar("both", x.keys, (two,), (start,), "map" if x.keys else "plain")
    return declare(declare(rewrite_program(program, visit), x, both), y)


def extra_state(program: ir.Program, rng: Random) -> ir.Program | None:
    """A variable that no output can ever show, written in some entry."""
    type_ = ir.Bits(2)
    keyed = rng.random() < 0.5
    keys: tuple[ir.Expr, ...] = (ir.Field("sip"),) if keyed else ()
    old = ir.Read("seen", keys, 0, type_)
    count = ir.Write("seen", keys, (ir.Arithmetic("+", old, const(1, type_), type_),))
    changed = rewrite_one(
        program,
        rng,
        lambda n: isinstance(n, ir.Entry),
        lambda n: replace(n, body=(count, *n.body)),
    )
    if changed is None:
        return None
    types = tuple(k.type for k in keys)
    variable = ir.StateVar("seen", types, (type_,), (0,), "map" if keyed else "plain")
    return replace(changed, state=(*changed.state, variable))


def tables(node: Any) -> bool:
    return isinstance(node, ir.Table)


def split_entry(program: ir.Program, rng: Random) -> ir.Program | None:
    """An entry becomes two, one where a test holds and one where it does not."""
    name, value = rng.choice((("sip", FLOWS[0]), ("tos", 1), ("iface", 0), ("sip", 7)))
    of = ir.field_type(name)
    assert isinstance(of, ir.Bits)
    test = ir.Compare("==", ir.Field(name), ir.Const(value, of))

    def split(table: ir.Table) -> ir.Table:
        at = rng.randrange(len(table.entries))
        entry = table.entries[at]
        halves = (
            replace(entry, name=f"{entry.name}.1", match_flow=(*entry.match_flow, test)),
            replace(entry, name=f"{entry.name}.2", match_flow=(*entry.match_flow, ir.Not(test))),
        )
        return ir.Table((*table.entries[:at], *halves, *table.entries[at + 1 :]))

    return rewrite_one(program, rng, tables, split)


def swap_entries(program: ir.Program, rng: Random) -> ir.Program | None:
    """Neighbours change places, the second now saying that the first does not match."""

    def swap(table: ir.Table) -> ir.Table:
        at = rng.randrange(len(table.entries) - 1)
        first, second = table.entries[at : at + 2]
        apart = replace(second, match_state=(*second.match_state, ir.Not(first.guard)))
        return ir.Table((*table.entries[:at], apart, first, *table.entries[at + 2 :]))

    return rewrite_one(program, rng, lambda n: tables(n) and len(n.entries) > 1, swap)


def table_to_if(program: ir.Program, rng: Random) -> ir.Program | None:
    def nest(table: ir.Table) -> Any:
        result: tuple[ir.Stmt, ...] = ()
        for entry in reversed(table.entries):
            result = (ir.If(entry.guard, entry.body, result),)
        return list(result)

    return rewrite_one(program, rng, tables, nest)


def introduce_let(program: ir.Program, rng: Random) -> ir.Program | None:
    """What a statement writes is computed into a local first."""

    def fits(node: Any) -> bool:
        return (isinstance(node, ir.Write) and bool(node.values)) or isinstance(node, ir.SetField)

    def name_it(node: Any) -> Any:
        value = node.values[0] if isinstance(node, ir.Write) else node.value
        local = ir.Local("given", value.type)
        if isinstance(node, ir.Write):
            after: ir.Stmt = replace(node, values=(local, *node.values[1:]))
        else:
            after = replace(node, value=local)
        return [ir.Let("given", value), after]

    return rewrite_one(program, rng, fits, name_it)


def identity(program: ir.Program, rng: Random) -> ir.Program | None:
    """One expression in another spelling."""

    def fits(node: Any) -> bool:
        match node:
            case ir.Read(type=ir.Bits()) | ir.Not() | ir.Compare():
                return True
            case ir.Arithmetic(op="+" | "-"):
                return True
            case ir.And(operands=operands) | ir.Or(operands=operands):
                return bool(operands)
            case _:
                return False

    def other(node: Any) -> Any:
        match node:
            case ir.Read(type=type_):
                k = const(rng.randrange(1, 4), type_)
                op = rng.choice(("+", "^", "*", "max"))
                if op == "*":  # x = 3 * x - 2 * x
                    three, two = (ir.Arithmetic("*", node, const(n, type_), type_) for n in (3, 2))
                    return ir.Arithmetic("-", three, two, type_)
                if op == "max":  # x = x if x <= k else x
                    return ir.Conditional(ir.Compare("<=", node, k), node, node, type_)
                back = "-" if op == "+" else "^"
                there = ir.Arithmetic(op, node, k, type_)
                return ir.Arithmetic(back, there, k, type_)
            case ir.Compare(op="<", left=left, right=right):
                return ir.Not(ir.Compare("<=", right, left))
            case ir.Compare(op="<=", left=left, right=right):
                return ir.Not(ir.Compare("<", right, left))
            case ir.Compare(op="==", left=left, right=right):
                return ir.Not(ir.Compare("!=", right, left))
            case ir.Compare(op="!=", left=left, right=right):
                return ir.Not(ir.Compare("==", right, left))
            case ir.Not():
                return ir.Not(ir.Not(node))
            case ir.And(operands=operands):
                return ir.Not(ir.Or(tuple(ir.Not(o) for o in operands)))
            case ir.Or(operands=operands):
                return ir.Not(ir.And(tuple(ir.Not(o) for o in operands)))
            case ir.Arithmetic(op="+", left=left, right=right, type=type_):
                negative = ir.Arithmetic("-", const(0, type_), right, type_)
                return ir.Arithmetic("-", left, negative, type_)
            case ir.Arithmetic(op="-", left=left, right=right, type=type_):
                inverse = ir.Arithmetic("^", right, const(-1, type_), type_)
                plus = ir.Arithmetic("+", left, inverse, type_)
                return ir.Arithmetic("+", plus, const(1, type_), type_)
            case _:
                raise AssertionError(node)

    return rewrite_one(program, rng, fits, other)


def threshold_flag(program: ir.Program, rng: Random) -> ir.Program | None:
    """One comparison of a variable is kept as a flag beside it."""
    tests = [
        n
        for n in ir.walk(program.body)
        if isinstance(n, ir.Compare)
        and isinstance(n.left, ir.Read)
        and isinstance(n.right, ir.Const)
    ]
    if not tests:
        return None
    test = rng.choice(tests)
    assert isinstance(test.left, ir.Read)
    name, limit, op = test.left.var, test.right, test.op
    old = program.variable(name)
    if old.entries or reads(program, ir.Delete, name) or len(old.values) != 1:
        return None

    def visit(node: Any) -> Any:
        match node:
            case ir.Compare(op=this, left=ir.Read(var=var, keys=keys), right=right) if (
                this,
                var,
                right,
            ) == (op, name, limit):
                return ir.Read("flag", keys, 0, ir.BOOL)
            case ir.Write(var=var, keys=keys, values=(value,)) if var == name:
                local = ir.Local(f"new{next(counter)}", value.type)
                after = ir.Compare(op, local, limit)
                return [
                    ir.Let(local.name, value),
                    ir.Write("flag", keys, (after,)),
                    ir.Write(name, keys, (local,)),
                ]
            case _:
                return node

    counter = iter(range(10**6))
    start, edge = int(old.default[0]), int(limit.value)  # type: ignore[union-attr]  # a Const
    holds = {"==": start == edge, "!=": start != edge, "<": start < edge, "<=": start <= edge}[op]
    flag = ir.StateVar("flag", old.keys, (ir.BOOL,), (holds,), old.kind)
    changed = rewrite_program(program, visit)
    return replace(changed, state=(*changed.state, flag))


REWRITES: tuple[Rewrite, ...] = (
    rename, permute_key, set_to_map, map_to_set, reverse_counter, merge_variables, merge_flags,
    extra_state, split_entry, swap_entries, table_to_if, introduce_let, identity, threshold_flag,
)  # fmt: skip
LAST: tuple[Rewrite, ...] = (rename,)

# Mutations ----------------------------------------------------------------------------------


def is_number(node: Any) -> bool:
    return isinstance(node, ir.Const) and isinstance(node.type, ir.Bits) and node.type != ir.TIME


def off_by_one(program: ir.Program, rng: Random) -> ir.Program | None:
    delta = rng.choice((-1, 1))
    return rewrite_one(program, rng, is_number, lambda n: const(n.value + delta, n.type))


def other_comparison(program: ir.Program, rng: Random) -> ir.Program | None:
    other = {"<": "<=", "<=": "<", "==": "!=", "!=": "=="}
    return rewrite_one(
        program,
        rng,
        lambda n: isinstance(n, ir.Compare) and not isinstance(n.left, ir.Tag),
        lambda n: replace(n, op=other[n.op]),
    )


def drop_entry(program: ir.Program, rng: Random) -> ir.Program | None:
    def less(table: ir.Table) -> ir.Table:
        at = rng.randrange(len(table.entries))
        if table.entries[at].name == "tick":
            return table
        return ir.Table(table.entries[:at] + table.entries[at + 1 :])

    return rewrite_one(program, rng, tables, less)


def removable(node: Any) -> bool:
    if isinstance(node, ir.SetOutput):
        return not isinstance(node.output, ir.Delay)
    return isinstance(node, ir.Write | ir.Delete | ir.SetField | ir.SetTag)


def remove_statement(program: ir.Program, rng: Random) -> ir.Program | None:
    return rewrite_one(program, rng, removable, lambda n: [])


def wrong_key(program: ir.Program, rng: Random) -> ir.Program | None:
    swap = {"sip": "dip", "dip": "sip", "tos": "sip"}

    def wrong(node: Any) -> Any:
        keys = list(node.keys)
        at = rng.randrange(len(keys))
        key = keys[at]
        if isinstance(key, ir.Field) and rng.random() < 0.7:
            keys[at] = ir.Field(swap[key.name])
        else:
            keys[at] = const(rng.choice(FLOWS) if key.type == ir.IP else rng.randrange(3), key.type)
        return replace(node, keys=tuple(keys))

    return rewrite_one(
        program,
        rng,
        lambda n: isinstance(n, ir.Read | ir.Has | ir.Write | ir.Delete) and bool(n.keys),
        wrong,
    )


def wrong_start(program: ir.Program, rng: Random) -> ir.Program | None:
    old = pick(rng, (v for v in program.state if v.values))
    if old is None:
        return None
    type_ = old.values[0]
    value: ir.Value = not old.default[0]
    if isinstance(type_, ir.Bits):
        value = ir.wrap(int(old.default[0]) + rng.choice((-1, 1)), type_)
    return declare(program, old, replace(old, default=(value, *old.default[1:])))


def swap_statements(program: ir.Program, rng: Random) -> ir.Program | None:
    def swap(entry: ir.Entry) -> ir.Entry:
        at = rng.randrange(len(entry.body) - 1)
        x, y = entry.body[at : at + 2]
        if isinstance(y, ir.SetOutput) and isinstance(y.output, ir.Delay):
            return entry
        return replace(entry, body=(*entry.body[:at], y, x, *entry.body[at + 2 :]))

    return rewrite_one(program, rng, lambda n: isinstance(n, ir.Entry) and len(n.body) > 1, swap)


def swap_rows(program: ir.Program, rng: Random) -> ir.Program | None:
    def swap(table: ir.Table) -> ir.Table:
        at = rng.randrange(len(table.entries) - 1)
        x, y = table.entries[at : at + 2]
        if x.name == "tick":
            return table
        return ir.Table((*table.entries[:at], y, x, *table.entries[at + 2 :]))

    return rewrite_one(program, rng, lambda n: tables(n) and len(n.entries) > 1, swap)


MUTATIONS: tuple[Rewrite, ...] = (
    off_by_one, off_by_one, other_comparison, drop_entry, remove_statement, wrong_key, wrong_start,
    swap_statements, swap_rows,
)  # fmt: skip


def apply_some(
    programs: list[ir.Program], rng: Random, choices: tuple[Rewrite, ...], count: int
) -> tuple[list[ir.Program], list[str]]:
    """Up to `count` rewrites, each of one program of the chain; those that were done, by name."""
    programs, done = list(programs), []
    for _ in range(count * 6):
        if len(done) == count:
            break
        at = rng.randrange(len(programs))
        chosen = rng.choice(choices)
        if chosen.__name__ in done:  # the names that rewrites give are used once
            continue
        changed = chosen(programs[at], rng)
        if changed is not None and changed != programs[at]:
            programs[at] = changed
            done.append(chosen.__name__)
    return programs, done
