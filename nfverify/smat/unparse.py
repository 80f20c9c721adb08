"""The IR as text of the language that is read as the same IR again.

Conversions are implicit in the text. Whether a text without a cast is read with the cast that the
IR has is asked of `values`, which decides that for the lowering too; where it is not, the cast is
written out: int(e), bool(e), bit16(e).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import assert_never

from nfverify.packet.fields import FLOW_FIELDS, PROTOCOL_BITS
from nfverify.smat import ir, values
from nfverify.smat.ruleset import Ruleset
from nfverify.smat.texts import constant, duration, ruleset_text, state_text
from nfverify.smat.types import FLOW_LAYOUT, show
from nfverify.smat.values import Misfit, Value, coerce, literal, scalar

# Precedence, as in lang.expressions.
TERNARY, OR, AND, COMPARE, UNION, XOR, INTERSECTION, SHIFT, SUM, PRODUCT, TIGHT, ATOM = range(12)
_ARITHMETIC = {
    **{"|": UNION, "^": XOR, "&": INTERSECTION, "<<": SHIFT, ">>": SHIFT},
    **{"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "%": PRODUCT},
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A text and what it is read as."""

    text: str
    value: Value
    precedence: int = ATOM

    def within(self, precedence: int) -> str:
        """In parentheses, unless it binds at least as tightly."""
        return self.text if self.precedence >= precedence else f"({self.text})"


@dataclass(slots=True)
class Printer:
    """Texts in the scope of one program: its names for constants, ports and rulesets."""

    config: dict[str, ir.Config] = field(default_factory=dict)
    state: dict[str, ir.StateVar] = field(default_factory=dict)
    operators: dict[str, ir.Operator] = field(default_factory=dict)
    ports: dict[int, str] = field(default_factory=dict)
    rulesets: dict[Ruleset, str] = field(default_factory=dict)
    primed: bool = False

    # Expressions ------------------------------------------------------------------------

    def natural(self, expr: ir.Expr) -> Reading:
        """A text that is read as exactly this expression, of its own type."""
        match expr:
            case ir.Const():
                return self._constant(expr)
            case ir.Field(name=name) | ir.Tag(name=name):
                return Reading(f"f{self._prime()}[{name}]", scalar(expr))
            case ir.Local(name=name):
                return Reading(name, scalar(expr))
            case ir.Now():
                return Reading("now", scalar(expr))
            case ir.Dropped():
                return Reading("dropped", scalar(expr))
            case ir.OutputPort():
                return Reading("output", scalar(expr))
            case ir.OutOfBounds():
                return Reading("out_of_bounds", scalar(expr))
            case ir.Since(held=ir.Const(value=True), begun=begun):
                return Reading(f"before({self.text(begun)})", scalar(expr))
            case ir.Since(held=held, begun=begun):
                return Reading(f"since({self.text(held)}, {self.text(begun)})", scalar(expr))
            case ir.Total(amount=amount, period=period):
                text = self.text(amount, ir.Bits(64))
                return Reading(f"total({text}, {duration(period)})", scalar(expr))
            case ir.Read():
                return Reading(self._read(expr), scalar(expr))
            case ir.Has(var=var):
                return self._has(expr, f"in {var}{self._prime()}")
            case ir.Not():
                return self._not(expr)
            case ir.And(operands=operands):
                return self._junction(operands, "&&", AND, expr)
            case ir.Or(operands=operands):
                return self._one_of(expr) or self._junction(operands, "||", OR, expr)
            case ir.Arithmetic():
                return self._arithmetic(expr)
            case ir.Compare():
                return self._prefix(expr) or self._compare(expr)
            case ir.Conditional():
                return self._conditional(expr)
            case ir.Cast():
                return self._cast(expr)
            case ir.Match():
                return self._match(expr, "matches")
            case ir.Apply():
                return Reading(self._apply(expr), scalar(expr))
            case ir.Post(operand=operand):
                return self._post(expr, operand)
        assert_never(expr)

    def readings(self, expr: ir.Expr) -> Iterator[Reading]:
        """Texts that some context may read as the expression, the plainest first."""
        match expr:
            case ir.Const(value=value, type=ir.Bits() as type_, name=name):
                known = self.config.get(name)
                if known is not None and isinstance(known.type, ir.Bits):
                    assert isinstance(known.value, int)
                    if ir.wrap(known.value, type_) == value:
                        yield Reading(name, scalar(ir.Const(known.value, known.type)))
                own = self.natural(expr)
                if "(" not in own.text:
                    yield own
                assert isinstance(value, int)
                yield number(value)
                yield own
            case ir.Cast(operand=operand):
                if isinstance(operand.type, ir.Bits):
                    yield self.natural(operand)
                yield self.natural(expr)
            case _:
                yield self.natural(expr)

    def converted(self, expr: ir.Expr, to: ir.Type) -> Reading:
        """A text that is read as the expression where a value of type `to` is wanted."""
        for reading in self.readings(expr):
            try:
                if coerce(reading.value, to).parts == (expr,):
                    return reading
            except Misfit:
                continue
        return self.natural(expr)

    def text(self, expr: ir.Expr, to: ir.Type | None = None) -> str:
        return (self.natural(expr) if to is None else self.converted(expr, to)).text

    def several(self, exprs: Sequence[ir.Expr], types: Sequence[ir.Type]) -> str:
        """A key or value of several scalars; of seven, perhaps the packet's own flow."""
        if len(exprs) == 1:
            return self.text(exprs[0], types[0])
        if tuple(types) == FLOW_LAYOUT and (flow := self._flow(exprs)):
            return flow
        pairs = zip(exprs, types, strict=True)
        return f"({', '.join([self.text(expr, type_) for expr, type_ in pairs])})"

    def _flow(self, exprs: Sequence[ir.Expr]) -> str:
        names = tuple([expr.name if isinstance(expr, ir.Field) else "" for expr in exprs])
        if names == FLOW_FIELDS:
            return "f"
        sip, dip, sip6, dip6, sport, dport, proto = FLOW_FIELDS
        return "reverse(f)" if names == (dip, sip, dip6, sip6, dport, sport, proto) else ""

    def _prime(self) -> str:
        return "'" if self.primed else ""

    def _constant(self, expr: ir.Const) -> Reading:
        known = self.config.get(expr.name)
        if known is not None and known.type == expr.type and known.value == expr.value:
            return Reading(expr.name, scalar(expr))
        match expr.type, expr.value:
            case ir.Bits(width=16, shown="port"), int() as value if value in self.ports:
                return Reading(self.ports[value], scalar(expr))
            case ir.Bits(width=32, signed=True), int() as value:
                return number(value)
            case type_, value:
                text = constant(value, type_)
                if isinstance(type_, ir.Bits) and re.fullmatch(r"-?[0-9]+", text):
                    text = f"bit{type_.width}({text})"
                return Reading(text, scalar(expr))

    def _not(self, expr: ir.Not) -> Reading:
        match expr.operand:
            case ir.Has(var=var) as has:
                return self._has(has, f"not in {var}{self._prime()}", expr)
            case ir.Post(operand=ir.Has()):
                pass
            case ir.Match() as match_:
                return self._match(match_, "mismatches", expr)
            case ir.Or() as tests if (inner := self._one_of(tests)) is not None:
                return Reading(inner.text.replace(" in {", " not in {"), scalar(expr), COMPARE)
            case ir.Compare() as test if (inner := self._prefix(test)) is not None:
                text = inner.text.replace(" matches ", " mismatches ")
                return Reading(text, scalar(expr), COMPARE)
            case _:
                pass
        operand = self.natural(expr.operand).within(TIGHT)
        return Reading(f"!{operand}", scalar(expr), TIGHT)

    def _junction(
        self, operands: Sequence[ir.Expr], sign: str, precedence: int, expr: ir.Expr
    ) -> Reading:
        if not operands:
            return Reading("true" if sign == "&&" else "false", scalar(expr))
        parts = [self.natural(operand).within(precedence + 1) for operand in operands]
        if len(parts) == 1:
            return Reading(f"({parts[0]})", scalar(expr))
        return Reading(f" {sign} ".join(parts), scalar(expr), precedence)

    def _one_of(self, expr: ir.Or) -> Reading | None:
        """x == a || x == b as x in {a, b}."""
        tests = [o for o in expr.operands if isinstance(o, ir.Compare) and o.op == "=="]
        if len(tests) < len(expr.operands) or len(tests) < 2:
            return None
        if any(
            test.left != tests[0].left or not isinstance(test.right, ir.Const) for test in tests
        ):
            return None
        for left in self.readings(tests[0].left):
            items = [self._other(test, left) for test in tests]
            if all(items):
                text = f"{left.within(UNION)} in {{{', '.join(filter(None, items))}}}"
                return Reading(text, scalar(expr), COMPARE)
        return None

    def _other(self, test: ir.Compare, left: Reading) -> str:
        for right in self.readings(test.right):
            if _compared("==", left, right) == test:
                return right.text
        return ""

    def _arithmetic(self, expr: ir.Arithmetic) -> Reading:
        precedence = _ARITHMETIC[expr.op]
        for left in self.readings(expr.left):
            for right in self.readings(expr.right):
                if _computed(expr.op, left, right) == expr:
                    text = f"{left.within(precedence)} {expr.op} {right.within(precedence + 1)}"
                    return Reading(text, scalar(expr), precedence)
        # Narrower than the language computes: by value, wider and cut off again.
        left, right = self.natural(expr.left), self.natural(expr.right)
        text = f"{left.within(precedence)} {expr.op} {right.within(precedence + 1)}"
        return Reading(_cast_text(text, expr.type), scalar(expr))

    def _compare(self, expr: ir.Compare) -> Reading:
        flipped = isinstance(expr.left, ir.Const) and expr.op in ("<", "<=")
        for left in self.readings(expr.left):
            for right in self.readings(expr.right):
                if _compared(expr.op, left, right) == expr:
                    a, b, op = left.within(UNION), right.within(UNION), expr.op
                    over = ">" if op == "<" else ">="
                    text = f"{b} {over} {a}" if flipped else f"{a} {op} {b}"
                    return Reading(text, scalar(expr), COMPARE)
        a, b = self.natural(expr.left).within(UNION), self.natural(expr.right).within(UNION)
        return Reading(f"{a} {expr.op} {b}", scalar(expr), COMPARE)

    def _prefix(self, expr: ir.Compare) -> Reading | None:
        """(x & mask) == net as x matches net/n."""
        match expr:
            case ir.Compare(
                op="==",
                left=ir.Arithmetic(op="&", left=left, right=ir.Const(value=int() as mask)),
                right=ir.Const(value=int() as net),
            ) if expr.right.type in (ir.IP, ir.IP6):
                assert isinstance(expr.right.type, ir.Bits)
                width = expr.right.type.width
                rest = ((1 << width) - 1) ^ mask
                if rest & (rest + 1) or net & rest or not 0 < rest < (1 << width) - 1:
                    return None
                address = IPv4Address(net) if width == 32 else IPv6Address(net)
                length = width - rest.bit_length()
                text = f"{self.natural(left).within(UNION)} matches {address}/{length}"
                return Reading(text, scalar(expr), COMPARE)
            case _:
                return None

    def _conditional(self, expr: ir.Conditional) -> Reading:
        test = self.natural(expr.condition).within(OR)
        for then in self.readings(expr.then):
            for other in self.readings(expr.otherwise):
                if _chosen(expr.condition, then, other) == expr:
                    text = f"{test} ? {then.within(OR)} : {other.within(TERNARY)}"
                    return Reading(text, scalar(expr), TERNARY)
        then, other = self.natural(expr.then), self.natural(expr.otherwise)
        text = f"{test} ? {then.within(OR)} : {other.within(TERNARY)}"
        return Reading(_cast_text(text, expr.type), scalar(expr))

    def _cast(self, expr: ir.Cast) -> Reading:
        if expr.type == ir.Bits(1) and (name := _protocol(expr.operand)):
            return Reading(f"f[{name}]", scalar(expr))
        return Reading(_cast_text(self.natural(expr.operand).text, expr.type), scalar(expr))

    def _match(self, expr: ir.Match, word: str, whole: ir.Expr | None = None) -> Reading:
        name = self.rulesets.setdefault(expr.ruleset, expr.ruleset.name)
        given = dict(zip(expr.ruleset.columns, expr.args, strict=True))
        subject = "f"
        if any(arg != ir.Field(column) for column, arg in given.items()):
            parts = [given.get(column, ir.Field(column)) for column in FLOW_FIELDS]
            subject = self.several(parts, FLOW_LAYOUT)
        return Reading(f"{subject} {word} {name}", scalar(whole or expr), COMPARE)

    def _apply(self, expr: ir.Apply) -> str:
        operator = self.operators.get(expr.op)
        if operator is not None:
            pairs = zip(expr.args, operator.parameters, strict=True)
            return f"{expr.op}({', '.join([self.text(arg, type_) for arg, type_ in pairs])})"
        args = [self.text(arg) for arg in expr.args]
        if expr.op == "PatternMatch":
            return f"PatternMatch({args[0]}, {{{', '.join(args[1:])}}})"
        if expr.op == "hash" and len(args) >= len(FLOW_FIELDS):
            size = len(FLOW_FIELDS)
            if flow := self._flow(expr.args[:size]):
                args[:size] = [flow]
        return f"{expr.op}({', '.join(args)})"

    def _read(self, expr: ir.Read) -> str:
        variable = self.state.get(expr.var)
        text = expr.var + self._prime()
        several = variable is not None and len(variable.values) > 1
        if expr.keys:
            own = variable is not None and variable.kind == "granular"
            fields = variable.granularity if variable is not None else ()
            if not own or several or expr.keys != tuple([ir.Field(name) for name in fields]):
                text += self._key(expr.var, expr.keys)
        return f"{text}[{expr.index}]" if several else text

    def _key(self, var: str, keys: Sequence[ir.Expr]) -> str:
        outer, self.primed = self.primed, False
        text = f"[{self.several(keys, self._key_types(var, keys))}]" if keys else ""
        self.primed = outer
        return text

    def _key_types(self, var: str, keys: Sequence[ir.Expr]) -> tuple[ir.Type, ...]:
        known = self.state.get(var)
        return known.keys if known is not None else tuple([key.type for key in keys])

    def _has(self, expr: ir.Has, words: str, whole: ir.Expr | None = None) -> Reading:
        outer, self.primed = self.primed, False
        types = self._key_types(expr.var, expr.keys)
        if len(expr.keys) == 1:
            key = self.converted(expr.keys[0], types[0]).within(UNION)
        else:
            key = self.several(expr.keys, types)
        self.primed = outer
        return Reading(f"{key} {words}", scalar(whole or expr), COMPARE)

    def _post(self, expr: ir.Post, operand: ir.Expr) -> Reading:
        self.primed = True
        inner = self.natural(operand)
        self.primed = False
        return Reading(inner.text, scalar(expr), inner.precedence)

    # Statements -------------------------------------------------------------------------

    def statements(self, nodes: Iterable[ir.Stmt], indent: str) -> list[str]:
        """The lines of a block."""
        found: list[str] = []
        for node in nodes:
            found.extend(indent + line for line in self.statement(node))
        return found

    def statement(self, node: ir.Stmt) -> list[str]:
        match node:
            case ir.SetField(name=name, value=value):
                return [f"f[{name}] = {self.text(value, ir.field_type(name))};"]
            case ir.SetTag(name=name, value=value):
                return [f"f[{name}] = {self.text(value, ir.INT)};"]
            case ir.Push(kind=kind, args=args):
                types = ir.PUSHED[kind]
                texts = [self.text(a, t) for a, t in zip(args, types, strict=True)]
                return [f"push {kind}({', '.join(texts)});"]
            case ir.Pop(kind=kind):
                return [f"pop {kind};"]
            case ir.SetOutput(output=output):
                return [self.output(output)]
            case ir.Write():
                return [self._write(node)]
            case ir.Delete(var=var, keys=keys):
                if self._kind(var) == "set":
                    return [
                        f"{var} = {var} \\ {{{self.several(keys, self._key_types(var, keys))}}};"
                    ]
                return [f"delete {self._target(var, keys)};"]
            case ir.Touch(var=var, keys=keys):
                return [f"touch {self._target(var, keys)};"]
            case ir.Let(name=name, value=value):
                return [f"let {name} = {self.text(value)};"]
            case ir.Choose():
                return [self._choose(node)]
            case ir.If(condition=test, then=then, otherwise=other):
                lines = [f"if ({self.text(test)}) {{", *self.statements(then, "    ")]
                if other:
                    lines += ["} else {", *self.statements(other, "    ")]
                return [*lines, "}"]
            case ir.While(condition=test, bound=bound, body=body):
                head = f"while ({self.text(test)}) bound {bound} {{"
                return [head, *self.statements(body, "    "), "}"]
            case ir.Table(entries=entries):
                return [line for entry in entries for line in self.entry(entry)]
        assert_never(node)

    def output(self, output: ir.Output) -> str:
        match output:
            case ir.Forward():
                return "pass;"
            case ir.Drop():
                return "drop;"
            case ir.Resubmit():
                return "resubmit;"
            case ir.Delay(delay=delay):
                return f"f[output] = timer({self.text(delay, ir.TIME)});"
            case ir.Ports(ports=ports):
                names = [self.text(port, ir.PORT) for port in ports]
                several = f"{{{', '.join(names)}}}"
                return f"f[output] = {names[0] if len(names) == 1 else several};"
        assert_never(output)

    def _kind(self, var: str) -> str:
        return self.state[var].kind if var in self.state else "map"

    def _target(self, var: str, keys: Sequence[ir.Expr]) -> str:
        variable = self.state.get(var)
        if variable is not None and variable.kind == "granular":
            own = tuple([ir.Field(name) for name in variable.granularity])
            return var if tuple(keys) == own else var + self._key(var, keys)
        return var + self._key(var, keys)

    def _write(self, node: ir.Write) -> str:
        var, keys = node.var, node.keys
        if self._kind(var) == "set":
            return f"{var} = {var} | {{{self.several(keys, self._key_types(var, keys))}}};"
        variable = self.state.get(var)
        types = variable.values if variable else tuple([value.type for value in node.values])
        return f"{self._target(var, keys)} = {self.several(node.values, types)};"

    def _choose(self, node: ir.Choose) -> str:
        low, high = self.text(node.low, node.type), self.text(node.high, node.type)
        where = "" if node.where == ir.TRUE else f" where {self.text(node.where)}"
        return f"choose {node.name} in {low}..{high}{where};"

    def entry(self, entry: ir.Entry) -> list[str]:
        lines = [f"entry {entry.name} {{" if entry.name else "entry {"]
        for word, parts in (("flow", entry.match_flow), ("state", entry.match_state)):
            if parts:
                texts = [self.natural(part) for part in parts]
                if len(texts) == 1:
                    joined = texts[0].text
                else:
                    joined = " && ".join([text.within(COMPARE) for text in texts])
                lines.append(f"    match_{word} {{ {joined} }}")
        for word, body in action_blocks(entry.body):
            text = self.statements(body, "        ")
            short = f"    action_{word} {{ {' '.join([line.strip() for line in text])} }}"
            plain = all(isinstance(node, ir.SetOutput) for node in body)
            lines += [short] if plain else [f"    action_{word} {{", *text, "    }"]
        return [*lines, "}"]


def action_blocks(body: Sequence[ir.Stmt]) -> list[tuple[str, list[ir.Stmt]]]:
    """Statements in order, in blocks of those that write the packet and those that write state; a
    `let` goes with what follows it."""
    blocks: list[tuple[str, list[ir.Stmt]]] = []
    waiting: list[ir.Stmt] = []
    for node in body:
        if isinstance(node, ir.Let | ir.Choose):
            waiting.append(node)
            continue
        word = "flow" if writes_packet(node) else "state"
        if blocks and blocks[-1][0] == word:
            blocks[-1][1].extend([*waiting, node])
        else:
            blocks.append((word, [*waiting, node]))
        waiting = []
    if waiting:
        blocks.append(("flow", waiting))
    return blocks


def writes_packet(node: ir.Stmt) -> bool:
    written = ir.SetField | ir.SetTag | ir.Push | ir.Pop | ir.SetOutput
    return any(isinstance(part, written) for part in ir.walk((node,)))


# Texts of single things -------------------------------------------------------------------


def _compared(op: ir.CompareOp, left: Reading, right: Reading) -> ir.Expr | None:
    """What `left op right` is read as; None if it is an error."""
    try:
        return values.compare(op, left.value, right.value)
    except Misfit:
        return None


def _computed(op: ir.ArithmeticOp, left: Reading, right: Reading) -> ir.Expr | None:
    try:
        return values.arithmetic(op, left.value, right.value).parts[0]
    except Misfit:
        return None


def _chosen(condition: ir.Expr, then: Reading, other: Reading) -> ir.Expr | None:
    try:
        return values.choice(condition, then.value, other.value).parts[0]
    except Misfit:
        return None


def number(value: int) -> Reading:
    """A decimal literal."""
    return Reading(str(value), literal(value), ATOM if value >= 0 else TIGHT)


def _cast_text(text: str, to: ir.Type) -> str:
    match to:
        case ir.Bool():
            return f"bool({text})"
        case ir.Bits(width=32, signed=True):
            return f"int({text})"
        case ir.Bits(width=width):
            return f"bit{width}({text})"
        case ir.Bytes():
            return text


def _protocol(expr: ir.Expr) -> str:
    """TCP, UDP or ICMP if the expression is that test."""
    for name, numbers in PROTOCOL_BITS.items():
        proto = ir.field_type("proto")
        tests = [ir.Compare("==", ir.Field("proto"), ir.Const(n, proto)) for n in numbers]
        if expr == values.disjunction(tests):
            return name
    return ""


def printer(program: ir.Program, port_names: Sequence[str] = ()) -> Printer:
    """A printer for texts in the scope of a program; `port_names` are those of its network."""
    names = {number: f"port{number}" for number in program.ports}
    config = {item.name for item in program.config}
    for node in ir.walk(program.init + program.body):
        match node:
            case ir.Const(value=int() as value, type=type_, name=str() as name):
                if name and type_ == ir.PORT and value in names and name not in config:
                    names[value] = name
            case _:
                pass
    names.update((n, name) for n, name in enumerate(port_names) if n in names)
    return Printer(
        {config.name: config for config in program.config},
        {variable.name: variable for variable in program.state},
        {operator.name: operator for operator in program.operators},
        names,
        _ruleset_names(program),
    )


def _ruleset_names(program: ir.Program) -> dict[Ruleset, str]:
    found: dict[Ruleset, str] = {}
    roots = (
        *program.init,
        *program.body,
        *[invariant.expr for invariant in program.invariants],
        *[claim.expr for claim in program.properties],
    )
    for node in ir.walk(roots):
        if isinstance(node, ir.Match) and node.ruleset not in found:
            name = re.sub(r"\W", "_", node.ruleset.name) or "rules"
            unique, count = name, 1
            while unique in found.values():
                count += 1
                unique = f"{name}_{count}"
            found[node.ruleset] = unique
    return found


def expr_text(expr: ir.Expr, program: ir.Program | None = None) -> str:
    """An expression as text; with a program, in its names."""
    return (Printer() if program is None else printer(program)).text(expr)


def program_text(program: ir.Program, port_names: Sequence[str] = ()) -> str:
    """The program as a model that is read as the same program again."""
    out = printer(program, port_names)
    lines: list[str] = []
    if program.ports:
        lines.append(f"iface {', '.join([out.ports[number] for number in program.ports])};")
    for config in program.config:
        value = constant(config.value, config.type)
        lines.append(f"{show(config.type)} {config.name} = {value};")
    for operator in program.operators:
        types = ", ".join(map(show, operator.parameters))
        lines.append(f"op {operator.name}({types}) -> {show(operator.result)};")
    for ruleset, name in out.rulesets.items():
        lines.extend(ruleset_text(name, ruleset))
    lines.extend(map(state_text, program.state))
    written = {
        node.var
        for node in ir.walk(program.init + program.body)
        if isinstance(node, ir.Write | ir.Delete | ir.Touch)
    }
    lines += [  # an assignment of nothing, so that it stays state
        f"init {{ {variable.name} = {variable.name} | {{}}; }}"
        for variable in program.state
        if variable.kind == "set" and not variable.constant and variable.name not in written
    ]
    if program.init:
        lines += ["init {", *out.statements(program.init, "    "), "}"]
    for timer in program.timers:
        tags = [f"    f_dmy[{tag}] = {value};" for tag, value in timer.tags]
        lines += ["init {", *tags, f"    f_dmy[output] = timer({duration(timer.delay)});", "}"]
    for invariant in program.invariants:
        lines.append(f"invariant {out.text(invariant.expr)};")
    for claim in program.properties:
        typed = ", ".join(f"{show(type_)} {name}" for name, type_ in claim.variables)
        head = f"{claim.name}({typed})" if typed else claim.name
        lines.append(f"property {head}: {out.text(claim.expr)};")
    before: ir.Stmt | None = None
    for node in program.body:
        if isinstance(node, ir.Table) and isinstance(before, ir.Table):
            lines.append("if (true) {}")  # two tables, not one
        lines.extend(out.statement(node))
        before = node
    body = "".join([f"    {line}\n" if line else "\n" for line in lines])
    return f"program {program.name} {{\n{body}}}\n"


__all__ = ["Printer", "expr_text", "printer", "program_text", "ruleset_text", "writes_packet"]
