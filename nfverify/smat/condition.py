"""A condition over one arriving packet, as `--assume` takes it: text to IR."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.lang import ast
from nfverify.lang.expressions import Mode, expression
from nfverify.lang.faults import Fault, Faults
from nfverify.lang.source import Source, Span
from nfverify.lang.tokens import END, tokenise
from nfverify.smat import ir
from nfverify.smat.expressions import condition
from nfverify.smat.report import Failed, Report
from nfverify.smat.scope import Context, Port


def packet_condition(source: Source, ports: Sequence[str]) -> ir.Expr:
    """The bool that a text means, over fields, port names and `now`. Raises ModelError."""
    tree = parsed(source, "match")
    report = Report()
    numbers = {name: number for number, name in enumerate(ports)}
    everything = Span(source, 0, len(source.text))
    symbols = {name: Port(name, number, everything) for name, number in numbers.items()}
    cx = Context(report, None, numbers, dict(symbols), mode="match")
    try:
        expr = condition(cx, tree)
        cx.charge(expr, everything)
    except Failed:
        report.stop()
        raise
    for name, span in cx.tags_read.items():
        message = f"`{name}` is no field, and an arriving packet has no tags"
        report.error(span, "unknown-field", message)
    report.stop()
    return expr


def assumption(texts: Sequence[str], ports: Sequence[str], name: str) -> ir.Expr | None:
    """The conjunction of conditions that stand in `name`; None of none. Raises ModelError."""
    found = [packet_condition(Source(name, text), ports) for text in texts]
    if not found:
        return None
    return found[0] if len(found) == 1 else ir.And(tuple(found), span=found[0].span)


def parsed(source: Source, mode: Mode) -> ast.Expr:
    """The one expression that a text is. Raises ModelError."""
    faults = Faults(source)
    tokens = tokenise(source, faults)
    tree: ast.Expr | None = None
    try:
        tree, after = expression(tokens, 0, mode)
        if tokens[after] != END:
            message = f"the expression ends before {tokens.found(after)}"
            faults.add(tokens.fault(after, message, "join conditions by `&&`"))
    except Fault as fault:
        faults.add(fault)
    faults.stop()
    assert tree is not None  # else there was a fault
    return tree
