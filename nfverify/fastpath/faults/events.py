"""Faults of the Event Table: changes of state that don't reach the records they should."""

from __future__ import annotations

from nfverify.fastpath.faults.fault import Fault
from nfverify.fastpath.faults.rewriting import (
    entries_of,
    nodes,
    reads_state,
    with_classes,
    without_events,
)
from nfverify.fastpath.plan import Class, Plan, qualified
from nfverify.smat import ir


def _written(plan: Plan, *, by_timer: bool) -> frozenset[str]:
    """Variables that timers write; or those that entries write which look at headers only and let
    nothing pass, as control packets do."""
    found: set[str] = set()
    for instance in plan.network.instances:
        for _, entry in entries_of(instance.program):
            statements = list(ir.walk(entry.body))
            outputs = [s.output for s in statements if isinstance(s, ir.SetOutput)]
            arms = any(isinstance(output, ir.Delay) for output in outputs)
            drops = any(isinstance(output, ir.Drop) for output in outputs)
            control = drops and not any(map(reads_state, entry.match_flow + entry.match_state))
            if arms if by_timer else control:
                found.update(
                    qualified(instance.name, s.var)
                    for s in statements
                    if isinstance(s, ir.Write | ir.Delete)
                )
    return frozenset(found)


def _control(plan: Plan) -> Plan | None:
    return without_events(plan, _written(plan, by_timer=False).__contains__)


def _timer(plan: Plan) -> Plan | None:
    return without_events(plan, _written(plan, by_timer=True).__contains__)


def _across(plan: Plan) -> Plan | None:
    """Of maps that flows share: keyed by less than a flow, and not written by control packets."""
    shared = {n for n, v in plan.variables() if 0 < len(v.keys) < len(plan.key)}
    shared -= _written(plan, by_timer=False)
    return without_events(plan, shared.__contains__)


def _absence(plan: Plan) -> Plan | None:
    """Of keys that a class says are absent."""

    def deaf(class_: Class) -> Class:
        absent = {
            n.operand.var
            for n in nodes(*class_.condition)
            if isinstance(n, ir.Not) and isinstance(n.operand, ir.Has)
        }
        return Class(
            class_.name,
            class_.condition,
            class_.values,
            tuple(w for w in class_.watches if w.var not in absent),
            class_.paths,
        )

    return with_classes(plan, deaf)


def _more(plan: Plan) -> Plan | None:
    """All that anybody writes outdates all."""
    names = tuple(name for name, variable in plan.variables() if not variable.constant)
    if set(names) <= set(plan.epoch):
        return None
    return Plan(plan.network, plan.served, plan.key, plan.classes, names, plan.policies, plan.slow)


EVENTS = (
    Fault(
        "stale-backend",
        "what control packets change (a backend's health, say) raises no event",
        _control,
        "c1",
    ),
    Fault("event-across-flows", "what another flow changes raises no event", _across, "c1"),
    Fault(
        "event-of-absence", "a key that a record takes for absent appears: no event", _absence, "c1"
    ),
    Fault("event-of-timer", "what a timer changes raises no event", _timer, "c5"),
    Fault("more-events", "every change of state outdates every record", _more, "c1", "none"),
)
