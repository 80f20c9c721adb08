"""Faults put into the symbolic semantics of headers pushed and popped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nfverify.equivalence import encapsulation, layers, problem
from nfverify.equivalence.encapsulation import Layers
from nfverify.equivalence.terms import Terms

Fault = Callable[[pytest.MonkeyPatch], None]


def headers_not_observed(patch: pytest.MonkeyPatch) -> None:
    """Packets with the same fields are the same."""
    patch.setattr(problem, "observed", lambda packet, names: [packet.fields[n] for n in names])


def never_too_deep(patch: pytest.MonkeyPatch) -> None:
    """As many headers come and go as like."""
    patch.setattr(Layers, "_deep", lambda self, layer: self.terms.false)


def never_too_big(patch: pytest.MonkeyPatch) -> None:
    """A packet may grow beyond 65,535 bytes."""
    patch.setattr(encapsulation, "LARGEST", 1 << 31)


def popped_with_its_own_addresses(patch: pytest.MonkeyPatch) -> None:
    """A packet behind IPv4 comes back with the Ethernet header that it had."""

    def bare(self: Layers, outer: Any, packet: Any, kind: Any, captured: Any) -> Any:
        return real(self, outer, packet, "vxlan", captured)

    real = Layers._bare
    patch.setattr(Layers, "_bare", bare)


def bytes_inside_are_all_alike(patch: pytest.MonkeyPatch) -> None:
    """What is in a tunnel doesn't count."""
    real = Terms.uf

    def uf(self: Terms, name: str, args: Any, width: int) -> Any:
        return real(self, name, args[:1] if name.startswith("bytes in") else args, width)

    patch.setattr(Terms, "uf", uf)
    rest_is_the_same(patch)


def rest_is_the_same(patch: pytest.MonkeyPatch) -> None:
    """No bytes but those of fields and tags are looked at."""

    def observed(packet: Any, names: Any) -> Any:
        found = real(packet, names)
        return found if packet.layer is None else found[:-1]

    real = problem.observed
    patch.setattr(problem, "observed", observed)


def written_payloads_come_back(patch: pytest.MonkeyPatch) -> None:
    """A pop doesn't ask whether the payload was written to."""
    patch.setattr(Layers, "_refuse", lambda self, condition, what, node: None)


def second_tags_vanish(patch: pytest.MonkeyPatch) -> None:
    """A tag that is pushed takes the place of the one that is there."""
    real = Layers._push_tag

    def push(self: Layers, packet: Any, layer: Any, vid: Any) -> Any:
        changed = real(self, packet, layer, vid)
        none = self.terms.const(0, layers.VID_WIDTH)
        tags = replace(changed.packet.layer.tags, second=self.terms.false, second_vid=none)
        return replace(
            changed, packet=replace(changed.packet, layer=replace(changed.packet.layer, tags=tags))
        )

    patch.setattr(Layers, "_push_tag", push)


def inside_is_always_well_formed(patch: pytest.MonkeyPatch) -> None:
    """Nothing that arrives in a tunnel is broken."""
    real = encapsulation.inside_of

    def inside_of(terms: Terms, arrived: layers.Arrived, kind: Any) -> layers.Inner:
        return replace(real(terms, arrived, kind), valid=terms.true)

    patch.setattr(encapsulation, "inside_of", inside_of)


def fragments_are_opened(patch: pytest.MonkeyPatch) -> None:
    """A tunnel's own fragment is popped like the whole."""
    real = encapsulation.popped_there

    def popped_there(terms: Terms, kind: Any, packet: Any) -> Any:
        present = {h: terms.false if h.name == "FRAG" else t for h, t in packet.present.items()}
        return real(terms, kind, replace(packet, present=present))

    patch.setattr(encapsulation, "popped_there", popped_there)


def merged_packets_lose_what_is_inside(patch: pytest.MonkeyPatch) -> None:
    """Where two ways meet, what is inside is that of the first."""
    patch.setattr(layers, "_merge_inside", lambda terms, base, branches: branches[0][1].inside)


def inner_writes_are_lost(patch: pytest.MonkeyPatch) -> None:
    """The packet inside is as it came in, not as it was written to."""
    real = Layers._around

    def around(self: Layers, outer: Any, kind: Any, inner: Any, *rest: Any) -> Any:
        made = real(self, outer, kind, inner, *rest)
        old = replace(inner, fields=inner.fields | {"ttl": self.terms.var("p.ttl", 8)})
        inside = ((self.terms.true, layers.Pushed(kind, old)),)
        return replace(made, layer=replace(made.layer, inside=inside))

    patch.setattr(Layers, "_around", around)
