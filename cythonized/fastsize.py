"""How large the records of a plan are once compiled."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.cythonized.fastlayout import planned
from nfverify.cythonized.options import Options
from nfverify.cythonized.plan import Plan as Chain
from nfverify.cythonized.visitor import Visitor
from nfverify.fastpath.plan import Plan


@dataclass(frozen=True, slots=True)
class RecordSize:
    """`bytes` with the key; `references` to entries of the chain's tables are in each; so many
    `classes` of the plan are compiled, flows of the others go through the chain."""

    bytes: int
    references: int
    classes: int


def record_size(plan: Plan) -> RecordSize | None:
    """Of a plan's records; None if nothing of it is compiled."""
    sees_non_ip = tuple(instance.program.sees_non_ip for instance in plan.network.instances)
    fast = planned(Chain.of(plan.network, Options(), sees_non_ip, Visitor()), plan).fast
    if fast is None:
        return None
    return RecordSize(fast.slot, fast.hints, len(fast.classes))
