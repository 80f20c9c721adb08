"""A claim on the states of two networks, as `--invariant` takes it: text to IR.

Variables are written as verdicts write them: `a.count[f[sip]] == b.nat.next`. Packet fields stand
for all their values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from nfverify.lang import ast
from nfverify.lang.parser import parse
from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.smat import ir
from nfverify.smat.condition import parsed
from nfverify.smat.expressions import condition
from nfverify.smat.rebuild import mapped_expr
from nfverify.smat.relating import variables
from nfverify.smat.report import Failed, Report, did_you_mean
from nfverify.smat.scope import Context
from nfverify.smat.texts import state_text
from nfverify.smat.variables import declare

_NAME = re.compile(r"(?<![\w.\]])[ab](?:\.[A-Za-z_]\w*)+", re.ASCII)
MAX_TEXT = 10_000  # characters


def pair_claims(
    texts: Sequence[str], a: ir.Network, b: ir.Network, name: str
) -> tuple[ir.Expr, ...]:
    """The claims on the states of both that stand in `name`. Raises ModelError."""
    both = variables("a", a) | variables("b", b) if texts else {}
    return tuple(pair_claim(Source(name, text), both) for text in texts)


def pair_claim(source: Source, known: Mapping[str, ir.StateVar]) -> ir.Expr:
    """What a text says of the variables, by qualified name. ModelError."""
    text = source.text
    everything = Span(source, 0, len(text))
    if len(text) > MAX_TEXT:
        raise _error("too-large", f"over {MAX_TEXT} characters", everything)
    found = dict.fromkeys(match[0] for match in _NAME.finditer(text))
    for name in found:
        if name not in known:
            hint = f"there are {', '.join(known) or 'none'}"
            message = f"no side has a variable `{name}`{did_you_mean(name, list(known))}"
            raise _error("unknown-name", message, everything, hint)
    # As long as before, so that places stay.
    plain = {name: name.replace(".", "_") for name in found}
    if len(set(plain.values())) < len(plain):
        raise _error("unknown-name", "names that differ by a dot and a _ only", everything)
    back = {short: name for name, short in plain.items()}
    report = Report()
    cx = Context(report, None, {}, mode="invariant")
    for item in _declarations([replace(known[n], name=plain[n]) for n in found]):
        cx.symbols[item.name] = declare(cx, item, True, {})
    claim = Source(source.name, _NAME.sub(lambda match: plain[match[0]], text))
    try:
        tree = parsed(claim, "match")
        with suppress(Failed):
            expr = condition(cx, tree)
            cx.charge(expr, everything)
        report.stop()
    except ModelError as error:
        raise ModelError(*(_as_given(d, source) for d in error.diagnostics)) from None

    def change(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Read(var=var):
                return replace(node, var=back[var])
            case ir.Has(var=var):
                return replace(node, var=back[var])
            case ir.Now() | ir.Tag() | ir.Local():
                raise _error("not-state", "it must be of the state alone", everything)
            case ir.Apply(op=op) if op != "hash":
                raise _error("not-state", f"{op} can't be in it", everything)
            case _:
                return node

    return mapped_expr(expr, change)


def _as_given(one: Diagnostic, source: Source) -> Diagnostic:
    return replace(one, span=Span(source, one.span.start, one.span.end))


def _declarations(variables: Sequence[ir.StateVar]) -> list[ast.Variable]:
    lines = [state_text(replace(v, entries=(), constant=False)) for v in variables]
    file = parse(Source("variables", "\n".join(lines)))
    return [item for item in file.items if isinstance(item, ast.Variable)]


def _error(code: str, message: str, span: Span, hint: str = "") -> ModelError:
    return ModelError(Diagnostic("error", code, message, span, hint))
