"""Entries that move a cell, and the packet that takes one again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.canonical import canonical
from nfverify.equivalence.concrete import NotRealisable
from nfverify.equivalence.frames import realisable
from nfverify.equivalence.packets import HEADERS, SymbolicPacket, arriving_packet, width_of
from nfverify.equivalence.reach.script import PORTS_A_HOST, Vary
from nfverify.equivalence.reach.unroll import Unrolled
from nfverify.equivalence.simulate import Arrival
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS, Header
from nfverify.smat import ir

TIMES = 3
"""So often in a row a packet must take an entry, after once that it need not."""

BIG = 65535
MAX_LETS = 8
OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Mover:
    """An entry of an instance that adds to a cell, or takes from it; its number among all entries
    of the program. OUTSIDE: what stands in no entry."""

    instance: str
    number: int
    sized: bool  # by how much depends on the packet's size
    cells: frozenset[str]  # the variables that it moves


def movers(network: ir.Network) -> Iterator[Mover]:
    """Entries that move a cell which something is compared with."""
    for instance in network.instances:
        body = instance.program.body
        lets = {n.name: n.value for n in ir.walk(body) if isinstance(n, ir.Let)}
        compared: set[str] = set()
        for node in ir.walk(body):
            if isinstance(node, ir.Compare):
                compared |= reads(node, lets)
        outside = [s for s in body if not isinstance(s, ir.Table)]
        rest = ir.Entry("", (), (), tuple(outside))
        for number, node in enumerate((rest, *entries(instance.program)), OUTSIDE):
            cells = frozenset(
                s.var
                for s in ir.walk(node.body)
                if isinstance(s, ir.Write) and s.var in compared and _moves(s, lets)
            )
            if cells:
                sized = any(
                    isinstance(part, ir.Field) and part.name == "size"
                    for s in ir.walk(node.body)
                    if isinstance(s, ir.Write) and _moves(s, lets)
                    for value in s.values
                    for part in _through(value, lets)
                )
                yield Mover(instance.name, number, sized, cells)


def entries(program: ir.Program) -> list[ir.Entry]:
    """All entries of a program, in textual order: as many however it is focused."""
    return [n for n in ir.walk(program.body) if isinstance(n, ir.Entry)]


def reads(expr: ir.Expr, lets: Mapping[str, ir.Expr], depth: int = 0) -> set[str]:
    """The variables that a value depends on, through lets."""
    found: set[str] = set()
    for node in ir.walk((expr,)):
        if isinstance(node, ir.Read):
            found.add(node.var)
        elif isinstance(node, ir.Local) and node.name in lets and depth < MAX_LETS:
            found |= reads(lets[node.name], lets, depth + 1)
    return found


def _moves(write: ir.Write, lets: Mapping[str, ir.Expr]) -> bool:
    return any(
        isinstance(node, ir.Arithmetic) and node.op in "+-" and write.var in reads(node, lets)
        for value in write.values
        for node in _through(value, lets)
    )


def _through(expr: ir.Expr, lets: Mapping[str, ir.Expr], depth: int = 0) -> Iterator[ir.Expr]:
    for node in ir.walk((expr,)):
        assert not isinstance(node, ir.Entry)
        if isinstance(node, ir.Local) and node.name in lets and depth < MAX_LETS:
            yield from _through(lets[node.name], lets, depth + 1)
        else:
            yield node  # type: ignore[misc]  # below an expression are expressions only


# Packets --------------------------------------------------------------------------------------


def moved(terms: Terms, packet: SymbolicPacket, vary: Vary, number: Term) -> SymbolicPacket:
    """Repetition `number` (64 bits) of a packet, as `script.varied` has it."""
    if vary == "none":
        return packet
    fields = dict(packet.fields)

    def add(name: str, amount: Term, there: Term) -> None:
        old = fields[name]
        more = terms.binary("add", old, terms.resize(amount, old.width, False))
        fields[name] = terms.ite(there, more, old)

    amounts = {vary: number}
    if vary == "both":
        hosts = terms.const(PORTS_A_HOST, 64)
        amounts = {
            "sport": terms.binary("urem", number, hosts),
            "sip": terms.binary("udiv", number, hosts),
        }
    for name, amount in amounts.items():
        if name == "sport":
            add(name, amount, packet.has(terms, FIELDS["sport"].headers))
        else:
            add(name, amount, packet.present[Header.IP4])
            add(f"{name}6", amount, packet.present[Header.IP6])
    return replace(packet, fields=fields, tags={})


def concrete_packet(terms: Terms, arrival: Arrival) -> SymbolicPacket:
    """A packet as constants."""
    packet = arrival.packet
    present = {h: terms.boolean(bool(packet.present & h)) for h in HEADERS}
    fields: dict[str, Term] = {}
    for name in FIELDS:
        value = arrival.port if name == "iface" else getattr(packet, name)
        if isinstance(value, bytes):
            fields[name] = terms.string(value)
        else:
            fields[name] = terms.const(int(value), width_of(name))
    return SymbolicPacket(present, fields, {})


def takes(unrolled: Unrolled, mover: Mover) -> Term:
    """Did the executor's last step take the entry?"""
    executor = unrolled.model.executors[0]
    if mover.number == OUTSIDE:
        return unrolled.terms.true
    program = next(i.program for i in executor.network.instances if i.name == mover.instance)
    entry = entries(program)[mover.number]
    return unrolled.terms.any(
        t.guard for t in executor.taken if t.entry is entry and t.instance == mover.instance
    )


@dataclass(slots=True)
class Looping:
    """One packet, in one variation, several times in a row from one state: which entries does it
    take each time but the first?"""

    unrolled: Unrolled
    vary: Vary
    movers: Sequence[Mover]
    packet: SymbolicPacket = field(init=False)
    taken: dict[Mover, Term] = field(init=False)
    big: Term = field(init=False)

    def __post_init__(self) -> None:
        """Raises Unsupported."""
        unrolled = self.unrolled
        terms, model = unrolled.terms, unrolled.model
        problem = model.problem
        self.packet, facts = arriving_packet(
            terms, "loop.", problem.port_count, problem.only_ip(), problem.tunnels
        )
        size = self.packet.fields["size"]
        self.big = terms.eq(size, terms.const(BIG, size.width))
        unrolled.solver.add(*facts, *realisable(terms, self.packet))
        taken: dict[Mover, list[Term]] = {mover: [] for mover in self.movers}
        state = unrolled.state
        for number in range(TIMES + 1):
            this = moved(terms, self.packet, self.vary, terms.const(number, 64))
            state, _ = model.executors[0].packet_step(state, this, self.now)
            if number:
                for mover in self.movers:
                    taken[mover].append(takes(unrolled, mover))
        if self.packet.arrived is not None:
            inside = self.packet.arrived.facts()
            unrolled.solver.add(*inside, *realisable(terms, self.packet))
        self.taken = {mover: terms.all(found) for mover, found in taken.items()}

    @property
    def now(self) -> Term:
        return self.unrolled.terms.const(self.unrolled.start, 64)

    def arrival(self, mover: Mover, big: bool) -> Arrival | None:
        """The plainest packet that takes the entry TIMES times in a row."""
        unrolled = self.unrolled
        terms, solver = unrolled.terms, unrolled.solver
        goal = terms.and_(self.taken[mover], self.big) if big else self.taken[mover]
        if goal is terms.false or solver.check([goal]) != "sat":
            return None
        packets = [(self.packet, self.now)]
        hints, used = unrolled.shared.hints, unrolled.shared.used
        if not canonical(terms, solver, packets, goal, unrolled.start, hints, used):
            return None
        try:
            return unrolled.concrete(packets)[0]
        except NotRealisable:
            return None
