"""`--reload`: an upgrade, from a saved state or from any that the old model can be in; what is
shown of it is run once more on the two models as they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from nfverify.equivalence.assumption import check_satisfiable
from nfverify.equivalence.diff.answer import Answer, Changed, PacketClass, Same
from nfverify.equivalence.diff.models import diff_networks
from nfverify.equivalence.diff.question import DiffQuestion
from nfverify.equivalence.diff.reload import Merged, Refused, Reloaded, paired, reloaded
from nfverify.equivalence.predicates import plan_rulesets
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.question import report_on
from nfverify.equivalence.replay import port_name
from nfverify.equivalence.start import begun
from nfverify.equivalence.supervise import Known, Notify
from nfverify.equivalence.verdict import Counterexample, Event, Unknown
from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.semantics.machine import Machine
from nfverify.semantics.state import SavedState
from nfverify.semantics.state_json import load
from nfverify.smat import ir


def upgrade(
    old: ir.Network, new: ir.Network, question: DiffQuestion, notify: Notify, known: Known
) -> Answer:
    """What the new model does otherwise once it has taken over. Raises ModelError."""
    check_provable(old, new, headers=True)
    started = time.monotonic() if question.asked.started is None else question.asked.started
    question = replace(question, asked=replace(question.asked, started=started))
    try:
        if question.state is None:
            return _at_any_time(old, new, question, notify, known)
        return _from_saved(old, new, question, notify, known)
    except Refused as refused:
        report = report_on(old, new, question.asked, (), 0.0)
        return Unknown(report, f"an upgrade can't be compared: {refused}", 0, ())


def _noted(answer: Answer, notes: Sequence[str]) -> Answer:
    return replace(answer, report=replace(answer.report, notes=(*notes, *answer.report.notes)))


# From a saved state -----------------------------------------------------------------------


def _from_saved(
    old: ir.Network, new: ir.Network, question: DiffQuestion, notify: Notify, known: Known
) -> Answer:
    assert question.state is not None
    name, text = question.state
    state = load(old, text, name)
    if state.now is None:
        span = Span(Source(name, text), 0, 0)
        message = "the state is of no packet yet: there is nothing to take over"
        raise ModelError(Diagnostic("error", "state", message, span))
    if state.timers or any(i.program.timers for n in (old, new) for i in n.instances):
        raise Refused("a state with timers that wait can't be gone on from yet")
    instances = []
    notes = [f"reload: both go on from the state in {name}"]
    content = {}
    pairs = list(paired(old, new))
    for before, after in pairs:
        made = Merged(before.program, after.program, f"{before.name}." if len(pairs) > 1 else "")
        notes += made.notes()
        kept = made.shared()
        given = state.instances.get(before.name, {})
        content[after.name] = {n: rows for n, rows in given.items() if n in kept}
        instances.append((after, tuple(made.own_init(kept))))
    started = begun(new, SavedState(state.now, content))
    programs = [
        ir.Instance(i.name, replace(i.program, init=init))
        for i, (_, init) in zip(started.instances, instances, strict=True)
    ]
    options = replace(question.asked.options, origin=state.now)
    asked = replace(question, asked=replace(question.asked, options=options))
    rival = replace(started, instances=tuple(programs))
    return _noted(diff_networks(begun(old, state), rival, asked, notify, known), notes)


# From any reachable state -----------------------------------------------------------------


def _at_any_time(
    old: ir.Network, new: ir.Network, question: DiffQuestion, notify: Notify, known: Known
) -> Answer:
    sides = reloaded(old, new)
    options = question.asked.options
    if options.assume is not None:
        plan = plan_rulesets(old, new, 1.0)
        assert question.asked.started is not None
        deadline = question.asked.started + question.asked.time_limit
        check_satisfiable(Problem(Side("a", old), Side("b", new), options, plan), deadline)
        moment = ir.Compare("==", ir.Field("iface"), ir.Const(sides.port, ir.PORT))
        assume = ir.Or((moment, options.assume), span=options.assume.span)
        options = replace(options, assume=assume)
    inner = replace(question.asked, options=options, claims=sides.claims)
    asked = replace(question, asked=inner)
    answer = _noted(diff_networks(sides.old, sides.new, asked, notify, known), sides.notes)
    match answer:
        case Changed(classes=classes):
            check = _Check(old, new, sides, question)
            return replace(answer, classes=tuple(map(check.shown, classes)))
        case Same() | Unknown():
            return answer


class _Check:
    """Traces with an upgrade in them, on the two models themselves."""

    def __init__(
        self, old: ir.Network, new: ir.Network, sides: Reloaded, question: DiffQuestion
    ) -> None:
        self.old, self.new, self.sides = old, new, sides
        options = question.asked.options
        operators = question.asked.operators

        def machine(network: ir.Network, state: SavedState | None = None) -> Machine:
            non_ip = "drop" if options.drop_non_ip else "bypass"
            return Machine(network, operators=operators, non_ip=non_ip, state=state)  # type: ignore[arg-type]

        self.machine: Callable[..., Machine] = machine

    def shown(self, one: PacketClass) -> PacketClass:
        """The class with an example in which the upgrade is no packet."""
        assert one.example is not None
        port = self.sides.old.ports[self.sides.port]
        events = one.example.events
        at = next((n for n, event in enumerate(events) if event.port == port), None)
        if at is None:
            raise AssertionError("a difference before any upgrade")
        left = tuple(event for event in events if event.port != port)
        self.replayed(left, at)
        when = f"after packet {at}" if at else "before the first packet"
        said = (f"the new model takes over {when}", *one.example.differences)
        excluded = max(0, one.example.excluded - 1)
        example = Counterexample(left, one.example.minimal, excluded, said)
        return replace(one, example=example)

    def replayed(self, events: Sequence[Event], at: int) -> None:
        """AssertionError unless both models do what the events say."""
        if not at or any(i.program.timers for i in self.old.instances):
            return  # when waiting timers are due is no part of what is shown
        ours = self.machine(self.old)
        theirs: Machine | None = None
        for number, event in enumerate(events):
            if number == at:
                theirs = self.machine(self.new, self.taken_over(ours.save()))
            outputs = self.outputs(ours, event)
            if outputs != list(event.a.outputs):
                raise AssertionError("the old model does something else")
            if theirs is not None:
                outputs = self.outputs(theirs, event)
            if outputs != list(event.b.outputs):
                raise AssertionError("the upgraded model does something else")

    def outputs(self, machine: Machine, event: Event) -> list[object]:
        from nfverify.equivalence.verdict import Emitted

        ports = self.old.ports
        number = ports.index(event.port) if event.port in ports else int(event.port)
        sent = machine.step(event.time, number, event.frame)
        return [Emitted(o.time, port_name(ports, o.port), o.frame) for o in sent]

    def taken_over(self, state: SavedState) -> SavedState:
        """The state with which the new model begins."""
        content = {}
        for before, after in paired(self.old, self.new):
            made = Merged(before.program, after.program)
            kept = made.shared()
            rows = {n: r for n, r in state.instances[before.name].items() if n in kept}
            for statement in made.own_init(kept):
                assert isinstance(statement, ir.Write)
                key = tuple(k.value for k in statement.keys if isinstance(k, ir.Const))
                values = tuple(v.value for v in statement.values if isinstance(v, ir.Const))
                rows[statement.var] = {**rows.get(statement.var, {}), key: values}
            content[after.name] = rows
        return SavedState(state.now, content)
