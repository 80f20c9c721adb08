"""What the prover has no encoding of, refused before anything is compared."""

from __future__ import annotations

from collections.abc import Iterator

from nfverify.lang.source import Diagnostic, ModelError, Span
from nfverify.smat import ir


def check_provable(*networks: ir.Network, headers: bool = False) -> None:
    """ModelError with each `choose`, `touch`, `timeout` and `max`, and without `headers` each
    `push` and `pop`.

    To the symbolic semantics all maps are plain ones: without this, it would prove what is false.
    """
    found = {
        (message, span.source.name, span.start): Diagnostic("error", "unsupported", message, span)
        for network in networks
        for program in dict.fromkeys(i.program for i in network.instances)
        for message, span in unprovable(program, headers=headers)
    }
    if found:
        raise ModelError(*found.values())


def unprovable(
    program: ir.Program, *, choose: bool = False, headers: bool = False
) -> Iterator[tuple[str, Span]]:
    """What a proof cannot be about, and where; with `choose`, choices are none of it, with
    `headers`, headers pushed and popped."""
    later = "can be run, but not proved equal or consolidated yet"
    for variable in program.state:
        for word, value in (("timeout", variable.timeout), ("max", variable.capacity)):
            if value is not None:
                yield f"models of maps with `{word}` {later}", variable.span
    for node in ir.walk(program.init + program.body):
        if isinstance(node, ir.Choose) and not choose:
            what = "models with `choose`, which allows several behaviours,"
            yield f"{what} {later}; `equiv --refine` compares them", node.span
        elif isinstance(node, ir.Touch):
            yield f"models with `touch` {later}", node.span
        elif isinstance(node, ir.Push | ir.Pop) and not headers:
            what = "models with `push` and `pop` can be proved equal, but not consolidated"
            yield f"{what} or refined yet", node.span


def uses_headers(nodes: tuple[ir.Stmt | ir.Expr, ...]) -> bool:
    """Do they push or pop headers, or look at those of a tunnel?"""
    return any(
        isinstance(node, ir.Push | ir.Pop) or (isinstance(node, ir.Field) and node.name == "vni")
        for node in ir.walk(nodes)
    )
