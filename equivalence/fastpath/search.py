"""Bounded search for the shortest trace on which a plan and its chain part, from the start.

Up to the first difference both are in one state, so that only the chain is unrolled, and beside it
the records. Length n is tried only when n - 1 was excluded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from nfverify.equivalence.concrete import NotRealisable, Reality, Strings, concretise, lemmas
from nfverify.equivalence.fastpath.chain import Chain
from nfverify.equivalence.fastpath.filed import Records
from nfverify.equivalence.fastpath.served import only_ip
from nfverify.equivalence.firing import Firings, idempotent
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.problem import CLOCK
from nfverify.equivalence.search import Found, NotFound, realisable
from nfverify.equivalence.simulate import START, Trace
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.state import State
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS
from nfverify.semantics.machine import RunawayError
from nfverify.smat import ir

SHALLOW_RLIMIT = 4_000_000
DEEP_RLIMIT = 100_000_000
MAX_SPURIOUS = 40
FIRINGS = 3  # of a timer between two packets, if that shows the difference


@dataclass(slots=True)
class Search:
    """The chain unrolled, with its records; `deepen` adds a packet and asks.

    `parts` says whether a trace, replayed, parts the two at its last event. Raises Unsupported.
    """

    chain: Chain
    parts: Callable[[Trace], bool]
    reality: Reality
    deadline: float
    notify: Callable[[str], None] = lambda text: None
    depth: int = 0
    stuck: str = ""  # why it can't go on
    _solver: Solver = field(init=False)
    _firings: Firings = field(init=False)
    _records: Records = field(init=False)
    _state: State = field(init=False)
    _packets: list[tuple[SymbolicPacket, Term]] = field(default_factory=list)
    _roots: list[Term] = field(default_factory=list)
    _strings: Strings = field(default_factory=lambda: Strings({}))
    _used: set[str] = field(init=False)
    _exact: int = 1 << 30  # from this length on, timers may let packets go that are not followed
    _guessed: bool = False  # were packets forbidden that might have been real?
    _pending: Term | None = None

    def __post_init__(self) -> None:
        translator, chain = Translator(), self.chain
        self._solver = Solver(translator, "", deadline=self.deadline, rlimit=SHALLOW_RLIMIT)
        side = Solver(translator, "", deadline=self.deadline, rlimit=SHALLOW_RLIMIT)
        chain.ip_only = only_ip(chain, self.deadline)
        self._state = chain.initial_state()
        self._records = Records(chain)
        self._firings = Firings(
            chain, self._solver, idempotent(chain, side), fired=self._records.event
        )
        self._firings.begin(self._state.plain[CLOCK][0])
        bodies = (i.program.body for i in chain.plan.network.instances)
        read = {n.name for b in bodies for n in ir.walk(b) if isinstance(n, ir.Field)}
        self._used = {"payload"} & read

    @property
    def excluded(self) -> int:
        """The length up to which no trace parts them."""
        if self._guessed:
            return 0
        return min(self.depth, self._exact if self._firings.exact else 1)

    def be_patient(self) -> None:
        """What was too hard for a first look may now take its time."""
        self._solver.rlimit = DEEP_RLIMIT
        self.stuck = ""

    def deepen(self) -> Found | NotFound | None:
        """Tries one more packet. None: no difference at this depth."""
        if self._pending is None:
            self._pending = self._unroll()
        found = self._ask(self._pending)
        if found is not None:
            return found
        self._solver.add(self._terms.not_(self._pending))
        self._pending = None
        self.depth = len(self._packets)
        return None

    @property
    def _terms(self) -> Terms:
        return self.chain.terms

    def _unroll(self) -> Term:
        terms, chain, number = self._terms, self.chain, len(self._packets)
        state = self._firings.before(self._state, number)
        packet, now, facts = chain.arriving(f"p{number}.")
        if number:
            self._firings.none_left(now)
            facts.append(terms.compare("ule", state.plain[CLOCK][0], now))
        else:
            facts.append(terms.eq(now, terms.var("start", 64)))
        self._packets.append((packet, now))
        step = chain.step(state, packet, now)
        if step.held:
            self._exact = min(self._exact, number + 1)
        differs = self._records.packet(state, packet, now, step)
        if packet.arrived is not None:
            facts += packet.arrived.facts()
        self._solver.add(*facts, *realisable(terms, packet))
        self._state = step.post.fork()
        self._state.plain[CLOCK] = (now,)
        self._roots += [*facts, differs]
        return differs

    def _ask(self, differs: Term) -> Found | NotFound | None:
        solver = self._solver
        if differs is self._terms.false:
            return None
        for _ in range(MAX_SPURIOUS):
            answer = solver.check([differs])
            self.notify(f"search: {len(self._packets)} packets: {answer}")
            if answer == "unsat" and self._guessed:
                return NotFound(self.depth, "the solver's traces could not be made real")
            if answer == "unsat":
                return None
            if answer == "unknown":
                return NotFound(self.depth, "the solver could not decide a longer trace")
            asked = ([differs, *self._soon()], [differs])
            if all(solver.check(one) != "sat" for one in asked):
                return NotFound(self.depth, "the solver could not decide a longer trace")
            trace = self._confirmed()
            if trace is not None:
                return Found(trace, self.excluded == len(trace) - 1, self.excluded)
            if not self._refine():
                break
        return NotFound(self.depth, "the solver's traces don't replay as different")

    def _soon(self) -> Iterator[Term]:
        """That time starts as usual and timers don't fire very often: wished for, not needed."""
        terms = self._terms
        most = FIRINGS * max(self.chain.periods(), default=10**9 // FIRINGS)
        for number, (_, now) in enumerate(self._packets):
            latest = terms.const(START + min(number * most, 1 << 60), 64)
            yield terms.compare("ule", now, latest)
            yield terms.compare("ule", terms.const(START, 64), now)

    def _confirmed(self) -> Trace | None:
        """The model's trace, if the reference machines part at its very last event."""
        try:
            trace = self._concrete()
            return trace if self.parts(trace) else None
        except (NotRealisable, RunawayError):
            return None

    def _concrete(self) -> Trace:
        for string, number in self._terms.strings.items():
            self._strings.known[int(number.data)] = string
        return tuple(
            concretise(self._terms, self._solver, p, now, self._strings, self._used)
            for p, now in self._packets
        )

    def _refine(self) -> bool:
        """Lemmas against the last model; if there are none, its packets are forbidden."""
        solver, terms = self._solver, self._terms
        with suppress(NotRealisable):
            self._concrete()
        found = lemmas(terms, solver, self._roots, self.reality, self._strings)
        if not found:
            self._guessed = True
            chosen = [
                terms.eq(t, terms.const(int(solver.value(t)), t.width))
                for packet, _ in self._packets
                for name, t in packet.fields.items()
                if FIELDS[name].writable and t.op != "const"
            ]
            found = [terms.not_(terms.all(chosen))]
        for lemma in found:
            if lemma is terms.false:
                return False
            solver.add(lemma)
        return True
