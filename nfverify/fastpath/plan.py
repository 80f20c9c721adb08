"""The fast path of a chain as data: what is proved is what is compiled (SpeedyBox, §III-V).

A flow's record in the Global MAT holds a class and the values that this class fixes. A plan says
which packets a record serves, what they do then, and what outdates it. It is read by the reference
(`nfverify.fastpath.machine`), the prover (`nfverify.equivalence.fastpath`) and the generator
(`nfverify.cythonized`), and changed by nothing: a fault of a plan is another plan.

The meaning of a plan, for a packet that arrives once the timers due have fired:

1. A frame that is not `served` goes through the chain. So do all without a usable record under
   their `key`, and those for which no path of their record's class has a residual that holds.
2. Else they take that path (residuals of a class exclude each other). All expressions of the path
   are read in the state and packet on arrival; functions of one group of `parallel` are read when
   they run, in the order written. The state functions run, the header is changed, the packet goes.
3. After the chain the flow is recorded again: the first class whose condition holds in the state
   then, with its values there; none holds: the record is removed. Frames not served record nothing.
4. Every write by the chain or by a timer that changes the value or the presence of a key of a
   variable raises an event at once: of a variable in `epoch` all records are outdated, of others
   those that watch this very key. (Before 3, so that a flow's new record is never outdated by the
   packet that made it.) Paths of a plan raise no events.
5. A record may vanish at any time: eviction, growth, expiry of the table itself.

Expressions are IR over the packet as it arrives. State is named `instance.variable` throughout;
`Local(name)` is a value of the record. Tags are rewritten away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nfverify.lang.ast import HeaderKind
from nfverify.smat import ir

Policy = Literal["constant", "own", "epoch", "index", "hot"]
Payload = Literal["write", "read", "ignore"]
PAYLOAD = {"write": 0, "read": 1, "ignore": 2}
LONGEST = 65_000  # bytes of a plain frame
FLOW_KEY = ("sip", "dip", "sport", "dport", "proto")


@dataclass(frozen=True, slots=True)
class Value:
    """What the record holds under `name`: `expr` over the key's fields and cold state."""

    name: str
    expr: ir.Expr
    instance: str = ""  # whose action needs it first; for people


@dataclass(frozen=True, slots=True)
class Watch:
    """The record is outdated by a change of `var` at `keys`: over the key's fields, cold state and
    the record's values, as they are when it is made."""

    var: str
    keys: tuple[ir.Expr, ...]


@dataclass(frozen=True, slots=True)
class StateFunction:
    """What one NF does to its state for a packet. Within a function all keys and values are read
    before the first write; writes to one key: the last wins."""

    instance: str
    writes: tuple[ir.Write | ir.Delete, ...]
    payload: Payload = "ignore"


@dataclass(frozen=True, slots=True)
class Push:
    """A header put in front, outermost last; `args` as the statement `push` takes them."""

    kind: HeaderKind
    args: tuple[ir.Expr, ...]


@dataclass(frozen=True, slots=True)
class HeaderAction:
    """The consolidated action: `pops` headers off the arriving frame, then `modify` what is
    outermost then (absent headers: ignored), then `pushes` in order.

    `summed` names the written fields whose change goes into the checksums; of any other the frame
    would keep the old sum.
    """

    modify: tuple[tuple[str, ir.Expr], ...] = ()
    summed: tuple[str, ...] = ()
    pops: tuple[HeaderKind, ...] = ()
    pushes: tuple[Push, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """One way of a flow's packets through the chain. `residual`: conjuncts over the packet, the
    record and hot state. `outputs`: ports of the chain, () is drop. `parallel`: groups of numbers
    of `functions`; what stands in none runs by itself, in order."""

    name: str
    residual: tuple[ir.Expr, ...]
    functions: tuple[StateFunction, ...]
    header: HeaderAction
    outputs: tuple[ir.Expr, ...]
    entries: tuple[tuple[str, str], ...] = ()  # (instance, entry taken), for people
    parallel: tuple[tuple[int, ...], ...] = ()

    def group_of(self, function: int) -> tuple[int, ...]:
        """The functions that run beside this one, itself among them."""
        return next((g for g in self.parallel if function in g), (function,))


@dataclass(frozen=True, slots=True)
class Class:
    """Flows of one kind. `condition`: conjuncts over the key's fields and cold state."""

    name: str
    condition: tuple[ir.Expr, ...]
    values: tuple[Value, ...]
    watches: tuple[Watch, ...]
    paths: tuple[Path, ...]

    def value(self, name: str) -> Value:
        return next(v for v in self.values if v.name == name)


@dataclass(frozen=True, slots=True)
class SlowPath:
    """A way through the chain that no record serves, and why; for people."""

    entries: tuple[tuple[str, str], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The fast path of `network`. Classes stand in the order in which recording tries them.
    `plain`: only frames are served that are untagged and, as captured, at most LONGEST bytes long
    (where headers are pushed or popped: no field says so).

    The members after `plain` are what plans may get wrong: derived ones have the defaults.
    `filed`: under the key of the packet as it came in, or as it left (its first output; the
    arriving one if it was dropped). `recorded`: from the state after the packet or before it.
    `checked`: records are asked whether they are outdated before they serve, or only after.
    `kept`: over the arriving packet: slow packets that leave the record of their flow as it was.
    `hashed`: bits of a hash of the key that stand for it (0: the whole key is compared).
    """

    network: ir.Network
    served: tuple[ir.Expr, ...]
    key: tuple[str, ...]
    classes: tuple[Class, ...]
    epoch: tuple[str, ...]
    policies: tuple[tuple[str, Policy], ...]
    slow: tuple[SlowPath, ...] = ()
    plain: bool = False
    filed: Literal["arriving", "departing"] = "arriving"
    recorded: Literal["after", "before"] = "after"
    checked: Literal["before", "after"] = "before"
    kept: ir.Expr = ir.FALSE
    hashed: int = 0

    def variables(self) -> Iterator[tuple[str, ir.StateVar]]:
        """All state variables of the chain as plans name them."""
        for instance in self.network.instances:
            for variable in instance.program.state:
                yield qualified(instance.name, variable.name), variable

    def watched(self) -> frozenset[str]:
        """Variables whose changes raise events at single records."""
        return frozenset(w.var for c in self.classes for w in c.watches)


def qualified(instance: str, variable: str) -> str:
    """What a plan calls a variable of an instance."""
    return f"{instance}.{variable}"
