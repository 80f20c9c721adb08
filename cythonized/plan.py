"""What the generator knows of a whole network before it writes a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nfverify.cythonized.layout import InstanceLayout, TableLayout, layouts
from nfverify.cythonized.operators import BUILT_IN
from nfverify.cythonized.options import Options
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.semantics.engine import number_tags
from nfverify.smat.ir import (
    MAX_PASSES,
    Apply,
    Bytes,
    Delay,
    Entry,
    Expr,
    Has,
    Network,
    Now,
    Pop,
    Ports,
    Program,
    Push,
    Read,
    Resubmit,
    SetField,
    SetOutput,
    Stmt,
    Table,
    While,
    Write,
    children,
    walk,
)

if TYPE_CHECKING:
    from nfverify.cythonized.fastlayout import FastLayout
    from nfverify.cythonized.visitor import Visitor

NARROW_FLOW = tuple(name for name in FLOW_FIELDS if not name.endswith("6"))
LARGE = 1500  # nodes of a program; beyond it, one body serves plain and odd frames alike
MAX_PIPELINED_PUTS = 16  # more, and packets go one by one


@dataclass(frozen=True, slots=True)
class Plan:
    """A network with its layout and the facts that its code depends on."""

    network: Network
    options: Options
    instances: tuple[InstanceLayout, ...]
    sees_non_ip: tuple[bool, ...]  # of each instance: do frames that are not IP enter it?
    tags: Mapping[str, int]
    written: tuple[str, ...]  # fields that the network writes, in a fixed order
    wraps: tuple[str, ...]  # how it pushes and pops headers: the functions of `wrapping`
    simple: bool  # each packet comes out at most once, at the time it came in, as long as it was
    copies: int  # the most ports of one output
    puts: int  # the most assignments to one table by one packet
    init_puts: int  # the most by one `init`
    plain: bool  # whether plain frames get code of their own
    scratch: bool  # operators make byte strings, which live until the packet is done
    timed: bool  # packets carry their time: for the clock, for keys that grow old, for timers
    depth: int  # packets of a block: each NF of the pipeline works one behind the one before it
    visitor: Visitor  # what writes it
    fast: FastLayout | None = None  # its fast path

    @staticmethod
    def of(
        network: Network, options: Options, sees_non_ip: tuple[bool, ...], visitor: Visitor
    ) -> Plan:
        programs = tuple({id(i.program): i.program for i in network.instances}.values())
        nodes = [n for p in programs for n in walk(p.init + p.body)]
        outputs = [n.output for n in nodes if isinstance(n, SetOutput)]
        arity = max((len(o.ports) for o in outputs if isinstance(o, Ports)), default=0)
        held = any(isinstance(o, Delay) for o in outputs) or any(p.timers for p in programs)
        aged = any(variable.aged for p in programs for variable in p.state)
        makes_bytes = any(isinstance(n, Apply) and isinstance(n.type, Bytes) for n in nodes)
        wraps = tuple(sorted({wrap(n) for n in nodes if isinstance(n, Push | Pop)}))
        puts = max(map(_puts, programs))
        init_puts = max(sum(map(_count, program.init)) for program in programs)
        written = {n.name for n in nodes if isinstance(n, SetField)}
        # Without look-ups there is nothing to fetch ahead; what the user's operators do ends a run
        # at once, and byte strings live until a packet is done.
        looks_up = any(isinstance(n, Read | Has | Write) and n.keys for n in nodes)
        operators = any(isinstance(n, Apply) and n.op not in BUILT_IN for n in nodes)
        pipelined = (
            options.batch
            and looks_up
            and not operators
            and not makes_bytes
            and not wraps
            and puts <= MAX_PIPELINED_PUTS
        )
        return Plan(
            network,
            options,
            layouts(network),
            sees_non_ip,
            number_tags(tuple(i.program for i in network.instances)),
            tuple(sorted(written)),
            wraps,
            arity <= 1 and not held and not wraps,
            arity,
            puts,
            init_puts,
            len(nodes) <= LARGE and not wraps,
            makes_bytes,
            held or arity > 1 or bool(wraps) or any(isinstance(n, Now) for n in nodes) or aged,
            options.depth if pipelined else 0,
            visitor,
        )

    @property
    def ports(self) -> int:
        return max(2, len(self.network.ports))

    @property
    def blocks(self) -> int:
        """Blocks of the ring, a power of two: one being filled, and one for each NF."""
        return 1 << len(self.instances).bit_length()

    @property
    def ring(self) -> int:
        """Packets of the ring."""
        return self.blocks * self.depth

    @property
    def held(self) -> tuple[str, ...]:
        """Written fields with a member of their own: the flow fields stand in the packet's head."""
        return tuple(name for name in self.written if name not in NARROW_FLOW)

    def tables(self) -> Iterator[TableLayout]:
        for instance in self.instances:
            yield from instance.tables


def wrap(node: Push | Pop) -> str:
    """The function that does it: push_tag, pop_tag, push_header or pop_header."""
    side = "push" if isinstance(node, Push) else "pop"
    return f"{side}_{'tag' if node.kind == 'vlan' else 'header'}"


def resubmits(program: Program) -> bool:
    return any(isinstance(n, SetOutput) and n.output == Resubmit() for n in walk(program.body))


def _puts(program: Program) -> int:
    """How many assignments to maps one packet can cause in one visit."""
    passes = MAX_PASSES if resubmits(program) else 1
    return passes * sum(_count(statement) for statement in program.body)


def _count(root: Stmt) -> int:
    total = 0
    stack: list[tuple[Expr | Stmt | Entry, int]] = [(root, 1)]
    while stack:
        node, times = stack.pop()
        match node:
            case Write(keys=keys) if keys:
                total += times
            case Table(entries=entries):
                # One entry of the table runs.
                total += times * max((sum(map(_count, e.body)) for e in entries), default=0)
            case While(bound=bound):
                stack.extend((child, times * bound) for child in children(node))
            case _:
                stack.extend((child, times) for child in children(node))
    return total
