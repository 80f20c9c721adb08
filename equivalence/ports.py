"""Ports of two networks: they are compared by number."""

from __future__ import annotations

from nfverify.equivalence.verdict import NOT_COMPARED
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.smat import ir


def compare_ports(a: ir.Network, b: ir.Network) -> None:
    """ModelError if one name is another port's number on the other side: ports go by number."""
    both = [
        name for name in a.ports if name in b.ports and a.ports.index(name) != b.ports.index(name)
    ]
    if both:
        places = a.ports.index(both[0]), b.ports.index(both[0])
        message = f"port {both[0]} is number {places[0]} of a but {places[1]} of b"
        hint = f"declare them in one order: a has {', '.join(a.ports)}; b has {', '.join(b.ports)}"
        raise ModelError(Diagnostic("error", "ports", message, NOWHERE, hint))


def port_notes(a: ir.Network, b: ir.Network) -> tuple[str, ...]:
    """What is left out because only one side has it; ends in NOT_COMPARED."""
    counts = [max(2, len(n.ports)) for n in (a, b)]
    if counts[0] == counts[1]:
        return ()
    letter, network = ("a", a) if counts[0] > counts[1] else ("b", b)
    extra = ", ".join(network.ports[min(counts) :])
    return (f"packets that arrive by {extra}, which only {letter} has, {NOT_COMPARED}",)
