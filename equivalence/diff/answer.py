"""What `diff` answers: the same (proved), changed (which packets, how), or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from nfverify.equivalence.verdict import Counterexample, Proof, Report, Unknown
from nfverify.lang.source import Span

DIGITS = 12  # hex digits of an identity


@dataclass(frozen=True, slots=True)
class Decider:
    """The rule or entries that decided: in words, by content whatever the line, and where.

    `span` is of an entry, `file` and `line` (from 1) of a rule; "" and 0 where there is none.
    """

    text: str
    content: str
    span: Span | None = None
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class PacketClass:
    """Packets that the same rules or entries decide, before and after, and that fare otherwise.

    `region` says which, `excluded` what of it earlier rules take. `count` is of the points of
    `Changed.counted`, exact; None where state or more than these decides. `boxes` hold just these
    points and exclude each other; `left_out` more aren't shown.
    """

    old: Decider
    new: Decider
    outcome_old: str
    outcome_new: str
    region: str = ""
    excluded: str = ""
    count: int | None = None
    boxes: tuple[str, ...] = ()
    left_out: int = 0
    example: Counterexample | None = None

    @property
    def identity(self) -> str:
        """The same in every run, wherever the rules stand: of their content, what they do, and how
        many points that concerns, so that a class which was accepted can't grow unseen."""
        parts = self.old.content, self.new.content, self.outcome_old, self.outcome_new, self.count
        return blake2b(repr(parts).encode(), digest_size=DIGITS // 2).hexdigest()


@dataclass(frozen=True, slots=True)
class Same:
    """Every sequence of packets is treated as before: proved."""

    report: Report
    proof: Proof


@dataclass(frozen=True, slots=True)
class Changed:
    """Some packets are treated otherwise. If `complete`, no others than those in `classes` are:
    proved, by `how`; else `open` says what was not excluded.

    `counted` names the columns whose points are counted.
    """

    report: Report
    classes: tuple[PacketClass, ...]
    complete: bool
    how: str = ""
    open: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


Answer = Same | Changed | Unknown

EXIT_CODE = {Same: 0, Changed: 1, Unknown: 3}
