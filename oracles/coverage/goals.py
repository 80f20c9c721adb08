"""What traffic is made to reach: the goals of a network, by levels of coverage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from nfverify.lang.source import Span
from nfverify.smat.ir import Network

Kind = Literal["entry", "gap", "boundary", "value", "overlap", "pair"]
Coverage = Literal["entries", "pairs", "boundaries", "full"]

KINDS: tuple[Kind, ...] = get_args(Kind)
COVERAGES: tuple[Coverage, ...] = get_args(Coverage)
REACHED = "%reached"
"""The ghost set of each instance that holds the numbers of its goals; no model can name it."""

_LEVELS: dict[Coverage, frozenset[Kind]] = {
    "entries": frozenset(("entry", "gap")),
    "pairs": frozenset(("entry", "gap", "pair")),
    "boundaries": frozenset(("entry", "gap", "boundary")),
    "full": frozenset(KINDS),
}


def kinds(coverage: Coverage) -> frozenset[Kind]:
    """The kinds of goals that a level of coverage asks for."""
    return _LEVELS[coverage]


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing to be reached in one instance, numbered over the whole network.

    `entry` is the title of the row that it belongs to ("" outside tables); `text` says the rest.
    Of a pair, `after` is the row that comes first.
    """

    number: int
    kind: Kind
    instance: str
    text: str
    span: Span
    entry: str = ""
    after: str = ""

    @property
    def at(self) -> str:
        """Its place in the text, with the bare name of the file; "" without a text."""
        source = self.span.source
        if not source.text:
            return ""
        name = re.split(r"[/\\]", source.name)[-1]
        return f"{name}:{self.span.line}:{self.span.column}"


@dataclass(frozen=True, slots=True)
class Instrumented:
    """A network that behaves as the original and records which goals it has reached.

    `goals[n].number` is n. Each instance has a program of its own with the set variable REACHED.
    """

    network: Network
    goals: tuple[Goal, ...]
    original: Network
