"""What refinement has no encoding of, refused before anything is compared."""

from __future__ import annotations

from nfverify.equivalence.provable import unprovable
from nfverify.lang.source import Diagnostic, ModelError, Span
from nfverify.smat import ir


def check_refinable(*networks: ir.Network) -> None:
    """ModelError with each `touch`, `timeout` and `max`, and each `choose` in an `init`."""
    found: dict[tuple[str, str, int], Diagnostic] = {}

    def refuse(message: str, span: Span) -> None:
        diagnostic = Diagnostic("error", "unsupported", message, span)
        found[message, span.source.name, span.start] = diagnostic

    for network in networks:
        for program in dict.fromkeys(i.program for i in network.instances):
            for message, span in unprovable(program, choose=True):
                refuse(message, span)
            for node in ir.walk(program.init):
                if isinstance(node, ir.Choose):
                    refuse("`choose` in `init` can be run, but not compared", node.span)
    if found:
        raise ModelError(*found.values())
