"""One test of a model: its engines, or a program, on saved and on new traces, until two part.

result = examine(network, Options(engines=("reference", "cython"), examples=10_000))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from nfverify.oracles.aim import aim_at
from nfverify.oracles.campaign import Campaign
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.differential import Contest, Divergence, stepping
from nfverify.oracles.engines.base import Demanding, Engine, NonIp, Patient, Setting, Stepping
from nfverify.oracles.engines.command import program
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.engines.table import is_known, make
from nfverify.oracles.engines.table import names as engine_names
from nfverify.oracles.membership import chooses
from nfverify.oracles.needs import fitted
from nfverify.oracles.plain import Plainer
from nfverify.oracles.renaming import own_addresses
from nfverify.oracles.shrink import ATTEMPTS, shrink
from nfverify.oracles.trace import Event, Trace, port_names
from nfverify.packet.codec import Malformed, parse
from nfverify.semantics.operators import Function
from nfverify.smat.ir import Network

DEFAULT_ENGINES = ("reference", "symbolic", "cython")
SILENCE = 5.0  # s without an answer that make a program hang
PROGRAM_ATTEMPTS, PROGRAM_POLISH = 200, 60  # traces tried to shrink one: each is a process
MODEL = "the model"  # who judges programs where it has choices
REPEATS = 3  # runs in which a difference must show again, at least once
_SMALL = 0xFFFF  # up to here a number counts something, and is no address
_LESSONS = 3  # traces on which names are learned
_BARREN = 1000  # traces without an event, one after the other, that end a test


@dataclass(frozen=True, slots=True)
class Options:
    """What is tested. `engines` by name, the first is believed; `against` is a command line.

    `examples` packets, or `seconds` of time; `well_formed`: no malformed frames are sent.
    """

    engines: tuple[str, ...] = DEFAULT_ENGINES
    against: str | None = None
    comparison: Comparison = Comparison()  # noqa: RUF009 - frozen
    examples: int = 10_000
    seconds: float | None = None
    seed: int = 1
    non_ip: NonIp = "bypass"
    operators: Mapping[str, Function] = field(default_factory=dict)
    silence: float = SILENCE
    well_formed: bool = False
    user: tuple[tuple[str, str], ...] = ()  # C files of operators: name and text
    capacity: int | None = None  # of tables that don't grow


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that shows each time. `origin` is where its trace comes from, `length` how many
    packets that was up to the difference."""

    divergence: Divergence
    origin: str
    length: int


@dataclass(frozen=True, slots=True)
class Result:
    """What was run. No finding and nothing `unsettled` (differences that didn't show again, packets
    of which nobody knows whether the model allows what came out): all did the same."""

    engines: tuple[str, ...]
    packets: int
    traces: int
    finding: Finding | None
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A new trace that was run elsewhere: its number and length, and whether all did the same."""

    number: int
    length: int
    agreed: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """A trace and where it comes from; `agreed` if it was run elsewhere, and need not be again."""

    origin: str
    trace: Trace
    length: int
    agreed: bool = False


Notify = Callable[[int], None]


def examine(
    network: Network,
    options: Options,
    given: Sequence[tuple[str, Trace]] = (),
    notify: Notify = lambda packets: None,
    *,
    alone: bool = False,
    seen: Iterator[Seen] | None = None,
) -> Result:
    """Runs the traces `given` by name, then new ones unless these are to stand `alone`, up to the
    first that makes a difference.

    `seen` has run new traces already, all from number 0 on without end; only those that made a
    difference are run again, so that the result is the same.

    CommandError for the command; ModelError and BuildError of engines; OSError if the program can't
    be started.
    """
    contest = contest_of(network, options)
    judge = MODEL if len(contest.free) == len(contest.others) else contest.judge.name
    names = (judge, *(other.name for other in contest.others))
    packets = traces = 0
    unsettled: list[str] = []
    for piece in _pieces(contest, options, given, alone, seen):
        origin = piece.origin
        divergence = None if piece.agreed else contest.run(piece.trace)
        packets += piece.length if divergence is None else len(divergence.trace)
        traces += 1
        notify(packets)
        if divergence is not None and divergence.kind == "undecided":
            unsettled.append(f"{origin}, packet {len(divergence.trace)}: {divergence.what}")
        elif divergence is not None:
            finding = settle(contest, divergence, origin)
            if finding is not None:
                return Result(names, packets, traces, finding, tuple(unsettled))
            unsettled.append(f"{origin}: {divergence.right} did otherwise once, but not again")
    return Result(names, packets, traces, None, tuple(unsettled))


def contest_of(network: Network, options: Options) -> Contest:
    """The engines and the program of some options. As `examine` raises."""
    names = list(dict.fromkeys(options.engines))
    setting = Setting(options.operators, options.non_ip, options.user, options.capacity)
    engines = [make(name, network, setting) for name in names]
    others: list[Engine] = list(engines[1:])
    free: frozenset[str] = frozenset()
    if options.against is not None:
        other = program(options.against, port_names(network), options.silence)
        others.append(other)
        free = frozenset({other.name} if chooses(network) else ())
    contest = Contest(network, engines[0], tuple(others), options.comparison, setting, free)
    return replace(contest, own=_own(contest)) if options.comparison.renaming else contest


def _own(contest: Contest) -> dict[str, Mapping[Hashable, Hashable]]:
    """What others call the model's own addresses, learned on traces that are always the same."""
    judge = stepping(contest.judge)
    campaign = Campaign(contest.network, judge, 0, contest.needs, setting=contest.setting)
    traces = [campaign.trace(number) for number in range(_LESSONS)]
    return {
        other.name: own_addresses(judge, stepping(other), traces, contest.comparison)
        for other in contest.others
    }


def check_names(names: Sequence[str]) -> str:
    """What is wrong with names of engines; "" if nothing."""
    for name in names:
        if not is_known(name):
            return f"no engine {name!a}; there are {', '.join(engine_names())}"
    return ""


def campaign_of(contest: Contest, options: Options) -> Campaign:
    """The new traces of a test, by number."""
    allowed = _well_formed if options.well_formed else _any
    source = stepping(contest.others[-1]) if contest.free else _source(contest)
    needs, setting = contest.needs, contest.setting
    return Campaign(contest.network, source, options.seed, needs, allowed, setting)


def look(contest: Contest, campaign: Campaign, number: int) -> Seen:
    """Whether all do the same on a new trace."""
    trace = campaign.trace(number)
    return Seen(number, len(trace), not trace or contest.run(trace) is None)


def _pieces(
    contest: Contest,
    options: Options,
    given: Sequence[tuple[str, Trace]],
    alone: bool,
    seen: Iterator[Seen] | None,
) -> Iterator[_Piece]:
    allowed = _well_formed if options.well_formed else _any
    for origin, trace in given:
        fit = fitted((event for event in trace if allowed(event)), contest.needs)
        if fit:
            yield _Piece(origin, fit, len(fit))
    if alone:
        return
    started, sent, barren = time.monotonic(), 0, 0
    campaign = campaign_of(contest, options)
    for number in count():
        left = None if options.seconds is not None else options.examples - sent
        if left is None:
            if time.monotonic() - started > (options.seconds or 0):
                return
        elif left <= 0:
            return
        piece = _piece(campaign, number, left, None if seen is None else next(seen))
        barren = 0 if piece.length else barren + 1
        if barren == _BARREN:
            return
        if piece.length:
            sent += piece.length
            yield piece


def _piece(campaign: Campaign, number: int, left: int | None, seen: Seen | None) -> _Piece:
    """The trace of a number, of which at most `left` packets are wanted: a beginning of it is run
    here, for a state may differ in between."""
    origin = f"seed {campaign.seed}, trace {number}"
    if seen is not None and seen.agreed and (left is None or seen.length <= left):
        return _Piece(origin, (), seen.length, agreed=True)
    trace = campaign.trace(number)[:left]
    return _Piece(origin, trace, len(trace))


def _source(contest: Contest) -> Stepping:
    """What traces are made with: the judge, if it can be sent packet by packet."""
    judge = contest.judge
    return judge if isinstance(judge, Stepping) else reference(contest.network, contest.setting)


def _any(event: Event) -> bool:
    return True


def _well_formed(event: Event) -> bool:
    return not isinstance(parse(event.frame), Malformed)


# Findings ---------------------------------------------------------------------------------


def settle(contest: Contest, found: Divergence, origin: str) -> Finding | None:
    """The difference on a trace as short and plain as can be found, shown once more; None if it
    doesn't show again."""
    two = _only(contest, found)
    length = len(found.trace)
    quick = _impatient(two) if found.kind == "hang" else two

    def failing(trace: Trace) -> Trace | None:
        trace = fitted(trace, two.needs)
        other = quick.run(trace) if trace else None
        return other.trace if other is not None and _alike(other, found) else None

    is_program = isinstance(two.others[0], Demanding)
    effort = (PROGRAM_ATTEMPTS, PROGRAM_POLISH) if is_program else (ATTEMPTS, ATTEMPTS)
    if contest.free or found.kind == "hang":
        effort = (PROGRAM_ATTEMPTS, PROGRAM_POLISH // 2)
    small = shrink(found.trace, failing, _plainer(contest.network), *effort)
    for trace in (small, found.trace):
        for _ in range(REPEATS):
            again = two.run(trace)
            if again is not None and _alike(again, found):
                return Finding(again, origin, length)
    return None


def _plainer(network: Network) -> Plainer:
    """What leaves the names be that a network knows."""
    aim = aim_at(network)
    addresses: set[int] = set()
    ports = {*aim.values.get("sport", ()), *aim.values.get("dport", ()), *aim.numbers.get(16, ())}
    for name in ("sip", "dip", "sip6", "dip6"):
        addresses.update(aim.values.get(name, ()))
    for width in (32, 128):
        addresses.update(n for n in aim.numbers.get(width, ()) if n > _SMALL)
    return Plainer(frozenset(addresses), frozenset(ports))


def _alike(one: Divergence, other: Divergence) -> bool:
    """Of one kind, so that a difference isn't shrunk to quite another one."""
    return one.kind == other.kind


def _only(contest: Contest, found: Divergence) -> Contest:
    """The judge and the one that parted from it."""
    others = tuple(other for other in contest.others if other.name == found.right)
    return replace(contest, others=others[:1])


def _impatient(contest: Contest) -> Contest:
    """Hangs are shrunk with less patience, and shown with all of it."""
    others = tuple(
        other.with_silence(other.silence / 10) if isinstance(other, Patient) else other
        for other in contest.others
    )
    return replace(contest, others=others)
