"""Faults of the Global MAT: which packets find a record, and when it is made, kept and asked."""

from __future__ import annotations

from dataclasses import replace

from nfverify.fastpath.faults.fault import Fault
from nfverify.fastpath.faults.rewriting import nodes, reads_state, unless_same, with_classes
from nfverify.fastpath.plan import Class, Plan, Watch
from nfverify.smat import ir

FID_BITS = 20  # SpeedyBox, §VI-A


def _flag(name: str) -> ir.Expr:
    return ir.Compare("==", ir.Field(name), ir.Const(1, ir.Bits(1)))


def _kept_on_fin(plan: Plan) -> Plan | None:
    """Neither by the packet that ends it nor by an event at the flow's own keys."""

    def own(watch: Watch) -> bool:
        fields = {key.name for key in watch.keys if isinstance(key, ir.Field)}
        return fields == set(plan.key)

    def deaf(class_: Class) -> Class:
        return replace(class_, watches=tuple(w for w in class_.watches if not own(w)))

    ends = ir.Or((_flag("flag_fin"), _flag("flag_rst")))
    return replace(plan, kept=ends, classes=tuple(map(deaf, plan.classes)))


def _departing(plan: Plan) -> Plan | None:
    written = {
        name
        for class_ in plan.classes
        for path in class_.paths
        for name, _ in path.header.modify
        if path.outputs
    }
    return replace(plan, filed="departing") if written & set(plan.key) else None


def _before(plan: Plan) -> Plan | None:
    return unless_same(plan, replace(plan, recorded="before"))


def _after(plan: Plan) -> Plan | None:
    return unless_same(plan, replace(plan, checked="after"))


def _hash(plan: Plan) -> Plan | None:
    return unless_same(plan, replace(plan, hashed=FID_BITS))


def _without_proto(plan: Plan) -> Plan | None:
    return unless_same(plan, replace(plan, key=tuple(k for k in plan.key if k != "proto")))


def _condition(plan: Plan) -> Plan | None:
    """What a class asks of values in state; that keys are there stays."""

    def blind(class_: Class) -> Class:
        left = (c for c in class_.condition if not (isinstance(c, ir.Compare) and reads_state(c)))
        return replace(class_, condition=tuple(left))

    return with_classes(plan, blind)


def _swapped(plan: Plan) -> Plan | None:
    """Two values of one type that the header action writes."""

    def swap(class_: Class) -> Class:
        written = {
            n.name
            for path in class_.paths
            for _, expr in path.header.modify
            for n in nodes(expr)
            if isinstance(n, ir.Local)
        }
        for index, one in enumerate(class_.values):
            for other in class_.values[index + 1 :]:
                same = one.expr.type == other.expr.type and one.expr != other.expr
                if same and one.name in written and other.name in written:
                    exprs = {one.name: other.expr, other.name: one.expr}
                    values = (replace(v, expr=exprs.get(v.name, v.expr)) for v in class_.values)
                    return replace(class_, values=tuple(values))
        return class_

    return with_classes(plan, swap)


def _order(plan: Plan) -> Plan | None:
    return unless_same(plan, replace(plan, classes=plan.classes[::-1]))


RECORDS = (
    Fault("kept-on-fin", "a record is kept when its connection ends", _kept_on_fin, "c1"),
    Fault("departing-key", "the record is filed under the tuple that left", _departing, "c1"),
    Fault("recorded-before", "the record is made of the state before the packet", _before, "c1"),
    Fault("checked-after", "the events are looked at after the header action", _after, "c1"),
    Fault("hash-as-key", f"a hash of {FID_BITS} bits stands for the flow", _hash, "c1"),
    Fault("key-without-proto", "the key lacks the protocol", _without_proto, "c1"),
    Fault(
        "condition-left-out",
        "a class forgets what it asks of state (blocked, down)",
        _condition,
        "c1",
    ),
    Fault("values-swapped", "two values change places in the record", _swapped, "c1"),
    Fault("class-order", "the most general class is tried first", _order, "c8", "slow"),
)
