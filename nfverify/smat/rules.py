"""Rules and rulesets: conjunctions of field tests, and first-match lists of them (decision 9)."""

from __future__ import annotations

from nfverify.lang import ast
from nfverify.packet.fields import FIELDS, PROTOCOL_BITS
from nfverify.smat import ir
from nfverify.smat.report import Failed, did_you_mean
from nfverify.smat.ruleset import ACTIONS, COLUMNS, PROTOCOLS, Row, Ruleset, full
from nfverify.smat.scope import Context, Port, Rule, Rules, Variable
from nfverify.smat.values import Value, conjunction, disjunction, negation

Test = tuple[str, int, int]  # field, inclusive bounds
VERSIONS = {"sip": "sip6", "dip": "dip6"}


def tests(cx: Context, rule: ast.RuleLiteral) -> list[Test]:
    """The tests of a rule; a test that is always true is left out."""
    found = []
    for part in rule.fields:
        name = field_of(part)
        if name not in FIELDS or FIELDS[name].shown == "bytes":
            if name in PROTOCOL_BITS:
                raise cx.fail(
                    part.span, "rule", f"`{name}` in a rule", f"write proto:{name.lower()}"
                )
            hint = did_you_mean(name, FIELDS)
            known = f"a rule tests {' '.join(COLUMNS)}, or another header field"
            raise cx.fail(
                part.span, "unknown-field", f"unknown field `{name}` in a rule{hint}", known
            )
        low, high = bounds(cx, name, part)
        if (low, high) != full(name):
            found.append((name, low, high))
    _warn_zero_port(cx, rule, found)
    return found


def field_of(part: ast.RuleField) -> str:
    """The header field that a test is about: `sip` with an IPv6 address is `sip6`."""
    return VERSIONS.get(part.name, part.name) if type(part.value) is ast.Address6 else part.name


def bounds(cx: Context, name: str, part: ast.RuleField) -> tuple[int, int]:
    """Inclusive bounds of the values of a field that a test lets through."""
    width = FIELDS[name].width
    shown = FIELDS[name].shown
    span = part.value.span
    match part.value:
        case ast.Wildcard():
            return full(name)
        case ast.Number(unit=unit, value=value):
            if unit:
                raise cx.fail(span, "rule", f"a duration is no value of {name}")
            low = high = value
        case ast.Range(low=low, high=high):
            if low > high:
                raise cx.fail(
                    span, "rule", f"the range {low}-{high} is empty: it ends below its start"
                )
        case ast.Address4(value=value, length=length):
            if shown != "ip":
                hint = "for IPv6 write an IPv6 address" if shown == "ip6" else ""
                raise cx.fail(span, "rule", f"an IPv4 address is no value of {name}", hint)
            return prefix(cx, value, length, 32, part)
        case ast.Address6(value=value, length=length):
            if shown != "ip6":
                raise cx.fail(span, "rule", f"an IPv6 address is no value of {name}")
            return prefix(cx, value, length, 128, part)
        case ast.Name(name=word):
            low = high = named(cx, name, word, part)
    if high >> width:
        most = (1 << width) - 1
        raise cx.fail(span, "range", f"{high} does not fit {name}, which is at most {most}")
    return low, high


def named(cx: Context, field: str, word: str, part: ast.RuleField) -> int:
    """A protocol, a port of the program, or a configuration variable."""
    span = part.value.span
    if field == "proto" and word.lower() in PROTOCOLS:
        return PROTOCOLS[word.lower()]
    match cx.symbols.get(word):
        case Port(number=number) if field == "iface":
            cx.used.add(word)
            return number
        case Variable(value=Value(parts=(ir.Const(value=int() as number),))):
            cx.used.add(word)
            return number
        case Variable(state=ir.StateVar()):
            hint = f"write the test in the match: f[{field}] == {word}"
            raise cx.fail(span, "rule", f"`{word}` is state, and a rule is constant", hint)
    if word in cx.broken:
        raise Failed
    known = PROTOCOLS if field == "proto" else cx.ports if field == "iface" else cx.symbols
    what = {"proto": "protocol", "iface": "port"}.get(field, "name")
    raise cx.fail(span, "unknown-name", f"unknown {what} `{word}`{did_you_mean(word, known)}")


def prefix(
    cx: Context, value: int, length: int | None, width: int, part: ast.RuleField | ast.Expr
) -> tuple[int, int]:
    """The addresses of a prefix; bits behind it are ignored, with a warning."""
    if length is None:
        return value, value
    rest = (1 << width - length) - 1
    if value & rest:
        cx.warn(part.span, "host-bits", "the address has bits set behind its prefix")
    return value & ~rest, value | rest


def _warn_zero_port(cx: Context, rule: ast.RuleLiteral, found: list[Test]) -> None:
    protocols = [(low, high) for name, low, high in found if name == "proto"]
    if protocols and protocols[0] in ((6, 6), (17, 17)):
        return
    for part in rule.fields:
        if any(n == part.name and n in ("sport", "dport") and low == 0 for n, low, _ in found):
            message = "a port range with 0 also matches packets that have no ports"
            cx.warn(part.span, "port-zero", message, "name a proto, or begin at 1")


def in_bounds(operand: ir.Expr, low: int, high: int) -> ir.Expr:
    """low <= operand <= high: by ==, a mask, or one or two comparisons."""
    type_ = operand.type
    assert isinstance(type_, ir.Bits)
    span = operand.span
    if low == high:
        return ir.Compare("==", operand, ir.Const(low, type_), span=span)
    size = high - low + 1
    most = (1 << type_.width) - 1
    if type_.shown in ("ip", "ip6") and size & (size - 1) == 0 and low % size == 0:
        if size > most:
            return ir.TRUE
        mask = ir.Const(most & ~(size - 1), type_)
        masked = ir.Arithmetic("&", operand, mask, type_, span=span)
        return ir.Compare("==", masked, ir.Const(low, type_), span=span)
    parts: list[ir.Expr] = []
    if low > 0:
        parts.append(ir.Compare("<=", ir.Const(low, type_), operand, span=span))
    if high < most:
        parts.append(ir.Compare("<=", operand, ir.Const(high, type_), span=span))
    return conjunction(parts, span)


def rule_expr(cx: Context, rule: ast.RuleLiteral, values: dict[str, ir.Expr]) -> ir.Expr:
    """Does the packet match? Fields of a flow-valued left side are in `values`."""
    parts = [
        in_bounds(values.get(name) or ir.Field(name, span=rule.span), low, high)
        for name, low, high in tests(cx, rule)
    ]
    return conjunction(parts, rule.span)


def ruleset_expr(cx: Context, rules: Rules, values: dict[str, ir.Expr]) -> ir.Expr:
    """Does the first rule that the packet matches accept?"""
    if rules.ruleset is None:
        return disjunction([rule_expr(cx, row, values) for row in rules.rows])
    args = tuple([values.get(name) or ir.Field(name) for name in rules.ruleset.columns])
    return ir.Match(rules.ruleset, args)


def declared_ruleset(cx: Context, node: ast.Ruleset) -> Rules:
    """The ruleset of a declaration `{rule, …}`, its rules in that order, all accepting."""
    rows: list[ast.RuleLiteral] = []
    for item in node.rules or ():
        if isinstance(item, ast.RuleLiteral):
            rows.append(item)
            continue
        match cx.symbols.get(item.name):
            case Rule(node=rule):
                cx.used.add(item.name)
                rows.append(rule.value)
            case None:
                if item.name in cx.broken:
                    raise Failed
                known = [n for n, s in cx.symbols.items() if isinstance(s, Rule)]
                hint = did_you_mean(item.name, known)
                raise cx.fail(item.span, "unknown-name", f"unknown rule `{item.name}`{hint}")
            case _:
                raise cx.fail(item.span, "type", f"`{item.name}` is not a rule")
    verdicts, rows = _verdicts(cx, rows)
    found = [tests(cx, row) for row in rows]
    used = {name for row in found for name, _, _ in row}
    if not used <= set(COLUMNS):
        if not all(verdicts):
            hint = f"with actions, rules test {' '.join(COLUMNS)} only"
            raise cx.fail(node.span, "rule", "a field that no ruleset has a column for", hint)
        return Rules(node, None, tuple(rows))
    used |= {field_of(part) for row in rows for part in row.fields}
    columns = tuple([column for column in COLUMNS if column in used])
    lines = []
    for accept, row, literal in zip(verdicts, found, rows, strict=True):
        limits = _meet(row)
        if limits is not None:
            held = tuple([limits.get(column, full(column)) for column in columns])
            lines.append(Row(accept, held, literal.span.line))
    return Rules(node, Ruleset(node.name, columns, tuple(lines)))


def _verdicts(cx: Context, rows: list[ast.RuleLiteral]) -> tuple[list[bool], list[ast.RuleLiteral]]:
    """What each rule says by its `action:`, accept if it has none, and the rules without."""
    verdicts: list[bool] = []
    plain: list[ast.RuleLiteral] = []
    for row in rows:
        accept = True
        for part in row.fields:
            if part.name == "action":
                word = part.value.name if isinstance(part.value, ast.Name) else ""
                if word not in ACTIONS:
                    raise cx.fail(part.span, "rule", "an action is accept or drop")
                accept = ACTIONS[word]
        verdicts.append(accept)
        fields = tuple([part for part in row.fields if part.name != "action"])
        plain.append(ast.RuleLiteral(fields, span=row.span))
    return verdicts, plain


def _meet(row: list[Test]) -> dict[str, tuple[int, int]] | None:
    """Bounds per field; None if two tests of one field exclude each other."""
    limits: dict[str, tuple[int, int]] = {}
    for name, low, high in row:
        before = limits.get(name, (low, high))
        limits[name] = max(low, before[0]), min(high, before[1])
        if limits[name][0] > limits[name][1]:
            return None
    return limits


def mismatch(expr: ir.Expr, negated: bool) -> ir.Expr:
    return negation(expr, expr.span) if negated else expr
