"""Which class a packet belongs to: the entries of the instances that decide otherwise, the changed
rules, and the kind of what comes of it; on the reference semantics, and as a term.

Of instances that both sides have, those decide at which both take entries of other content. Where
there are none, those that only one side has or only one side's packet reaches; where there are
none of these either, entries agree, and what differs tells classes apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.diff.rulesets import ChangedList
from nfverify.equivalence.problem import Event, Problem, observed
from nfverify.equivalence.simulate import Pair as Machines
from nfverify.equivalence.simulate import Trace
from nfverify.equivalence.symbolic import Emission as SymbolicEmission
from nfverify.equivalence.terms import Term, Terms
from nfverify.semantics.machine import Emission
from nfverify.semantics.tracing import Visit
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir, rebuild
from nfverify.smat.ruleset import Ruleset

Place = tuple[str, str, str]  # side, instance, entry
PORT = "port"


@dataclass(frozen=True, slots=True)
class Kind:
    """What comes of a packet: how many packets on either side; which fields differ, `port` among
    them, if one comes out of both (None: any)."""

    counts: tuple[int, int]
    fields: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Key:
    """A class. `instances` (of the old model, of the new) decide by `places`; none: the entries
    agree, and only then classes differ in the fields that do. `pairs` are the numbers of the rules
    that decide otherwise in each changed ruleset. `seen` are the fields of the first example."""

    instances: tuple[tuple[str, str], ...]
    places: frozenset[Place]
    pairs: tuple[int | None, ...]
    kind: Kind
    seen: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How the packets of one comparison are told apart."""

    problem: Problem
    lists: tuple[ChangedList, ...]
    instances: tuple[tuple[str, str], ...]  # of both sides, "" where a side has no such
    content: dict[Place, str]

    @staticmethod
    def of(problem: Problem, lists: tuple[ChangedList, ...]) -> Grouping:
        """Instances are paired by name, or because either side has only one."""
        old, new = (side.network for side in problem.sides)
        names = [[i.name for i in n.instances] for n in (old, new)]
        if len(names[0]) == len(names[1]) == 1:
            pairs = [(names[0][0], names[1][0])]
        else:
            both = dict.fromkeys((*names[0], *names[1]))
            pairs = [(n if n in names[0] else "", n if n in names[1] else "") for n in both]
        content = {
            (side.letter, name, title): entry_content(entry)
            for side in problem.sides
            for name, title, entry in entries_of(side.network)
        }
        return Grouping(problem, lists, tuple(pairs), content)

    # On the reference semantics ------------------------------------------------------------

    def key_of(self, machines: Machines, trace: Trace) -> Key | None:
        """The class of the last packet; None if it fares alike."""
        run = machines.clone()
        for arrival in trace[:-1]:
            run.step(arrival)
        last = trace[-1]
        taken: set[Place] = set()
        sent: list[list[Emission]] = []
        for side, machine in zip(self.problem.sides, run.machines, strict=True):
            seen: list[Visit] = []
            machine.trace = seen.append
            sent.append(machine.emit(last.packet, last.time, last.port))
            taken |= {(side.letter, v.instance, e) for v in seen if not v.dummy for e in v.entries}
        observing = self.problem.options.observe_state and run.states_differ()
        if run.same(*sent) and not observing:
            return None
        kind = self.kind_of(sent)
        pairs = tuple(changed.pair_of(last) for changed in self.lists)
        deciding = tuple(self.deciding(taken))
        places = {p for p in taken if any(p[1] == self.name(p[0], i) for i in deciding)}
        fields = kind.fields or ()
        if deciding:
            kind = replace(kind, fields=None)
        return Key(deciding, frozenset(places), pairs, kind, fields)

    def kind_of(self, sent: Sequence[Sequence[Emission]]) -> Kind:
        """What came of a packet."""
        a, b = sent
        if (len(a), len(b)) != (1, 1):
            return Kind((len(a), len(b)))
        x, y = a[0].packet, b[0].packet
        found = [f for f in self.problem.observed_fields if getattr(x, f) != getattr(y, f)]
        return Kind((1, 1), (*([PORT] if a[0].port != b[0].port else []), *found))

    def deciding(self, taken: set[Place]) -> Iterator[tuple[str, str]]:
        """The instances that decide otherwise."""
        found = [
            [self.contents(taken, letter, self.name(letter, pair)) for letter in "ab"]
            for pair in self.instances
        ]
        both = [all(contents) for contents in found]
        differ = [contents[0] != contents[1] for contents in found]
        if any(b and d for b, d in zip(both, differ, strict=True)):
            chosen = [b and d for b, d in zip(both, differ, strict=True)]
        else:
            chosen = differ
        yield from (pair for pair, yes in zip(self.instances, chosen, strict=True) if yes)

    def contents(self, taken: set[Place], letter: str, instance: str) -> tuple[str, ...]:
        """The entries taken in an instance, whatever they are called."""
        return tuple(sorted(self.content[p] for p in taken if p[0] == letter and p[1] == instance))

    @staticmethod
    def name(letter: str, pair: tuple[str, str]) -> str:
        """The name of an instance on one side."""
        return pair[0 if letter == "a" else 1]

    # As terms -----------------------------------------------------------------------------

    def holds(self, terms: Terms, event: Event, key: Key) -> Term:
        """Is the packet of a symbolic event in the class?"""
        return terms.all([self.decided(terms, event, key), self.fares(terms, event, key.kind)])

    def decided(self, terms: Terms, event: Event, key: Key) -> Term:
        """Do these entries and rules decide it?"""
        guards: dict[Place, list[Term]] = {}
        for letter, found in (("a", event.taken_a), ("b", event.taken_b)):
            for one in found:
                if one.entry is not None:
                    guards.setdefault((letter, one.instance, one.title), []).append(one.guard)
        taken = {place: terms.any(found) for place, found in guards.items()}
        if key.instances:
            parts = [
                term if place in key.places else terms.not_(term)
                for place, term in taken.items()
                if any(place[1] == self.name(place[0], pair) for pair in key.instances)
            ]
            parts += [terms.false for place in key.places if place not in taken]
        else:
            parts = list(self._agreeing(terms, taken))
        assert event.packet is not None
        for changed, number in zip(self.lists, key.pairs, strict=True):
            pairs = changed.diff.pairs
            if number is not None:
                parts.append(changed.holds(terms, event.packet, pairs[number]))
            else:
                parts += [terms.not_(changed.holds(terms, event.packet, p)) for p in pairs]
        return terms.all(parts)

    def facts(self, terms: Terms, event: Event) -> Iterator[Term]:
        """What the old rulesets say of the points that fare otherwise: to a solver, a long list is
        a function that it knows nothing of."""
        assert event.packet is not None
        encode = self.problem.rulesets(terms)
        for changed in self.lists:
            old = changed.diff.old
            says = encode(old, tuple(event.packet.fields[c] for c in old.columns))
            for pair in changed.diff.pairs:
                row, _ = changed.diff.row(pair)
                accepts = terms.boolean(row is not None and row.accept)
                here = changed.holds(terms, event.packet, pair)
                yield terms.implies(here, terms.eq(says, accepts))

    def _agreeing(self, terms: Terms, taken: dict[Place, Term]) -> Iterator[Term]:
        """Entries of the same content are taken on both sides, in every instance."""
        for pair in self.instances:
            sides: list[dict[str, list[Term]]] = [{}, {}]
            for place, term in taken.items():
                which = 0 if place[0] == "a" else 1
                if place[1] == pair[which]:
                    sides[which].setdefault(self.content[place], []).append(term)
            for content in {**sides[0], **sides[1]}:
                yield terms.eq(
                    terms.any(sides[0].get(content, ())), terms.any(sides[1].get(content, ()))
                )

    def fares(self, terms: Terms, event: Event, kind: Kind) -> Term:
        """Is this what comes of it?"""
        parts = []
        sides = event.out_a, event.out_b
        for out, count in zip(sides, kind.counts, strict=True):
            sent = terms.const(0, 16)
            for emission in out:
                sent = terms.binary("add", sent, terms.to_bits(emission.guard, 16))
            parts.append(terms.eq(sent, terms.const(count, 16)))
        if kind.counts == (1, 1) and kind.fields is not None and not self.problem.tunnels:
            names = (PORT, *self.problem.observed_fields)
            values = [[self._of(terms, out, name) for name in names] for out in sides]
            for name, x, y in zip(names, *values, strict=True):
                same = terms.eq(x, y)
                parts.append(terms.not_(same) if name in kind.fields else same)
        return terms.all(parts)

    @staticmethod
    def _of(terms: Terms, out: Sequence[SymbolicEmission], name: str) -> Term:
        """A field, or the port, of the only packet that comes out."""
        values = [e.port if name == PORT else observed(e.packet, (name,))[0] for e in out]
        found = values[-1] if values else terms.const(0, 1)
        for emission, value in reversed(list(zip(out[:-1], values[:-1], strict=True))):
            found = terms.ite(emission.guard, value, found)
        return found


# Entries ----------------------------------------------------------------------------------


def entries_of(network: ir.Network) -> Iterator[tuple[str, str, ir.Entry]]:
    """Every entry with the name of its instance and its title."""
    for instance in network.instances:
        for node in ir.walk(instance.program.body):
            if isinstance(node, ir.Table):
                for place, entry in enumerate(node.entries, 1):
                    yield instance.name, entry_title(entry, place), entry


def entry_content(entry: ir.Entry) -> str:
    """What an entry is, wherever it stands and whatever is in its rulesets."""

    def bare(node: rebuild.Part) -> rebuild.Part:
        if not isinstance(node, ir.Match):
            return node
        return ir.Match(Ruleset(node.ruleset.name, node.ruleset.columns, ()), node.args)

    changed = rebuild.mapped(entry, bare)
    assert isinstance(changed, ir.Entry)
    return repr((changed.match_flow, changed.match_state, changed.body))
