"""The visitor that writes networks as XDP programs: the NFs are those of the Cython build, printed
as C; state, arrival and departure are BPF's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nfverify.cythonized.descriptors import field_type
from nfverify.cythonized.fold import folded_network
from nfverify.cythonized.layout import InstanceLayout
from nfverify.cythonized.options import Options
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import Resources
from nfverify.cythonized.tables import TableCode
from nfverify.cythonized.visitor import Visitor
from nfverify.oracles.platforms.cpp.printer import Dialect, Printer
from nfverify.oracles.platforms.xdp.expressible import keys
from nfverify.oracles.platforms.xdp.machine import firing, machine, start
from nfverify.oracles.platforms.xdp.rulesets import BpfResources
from nfverify.oracles.platforms.xdp.structs import (
    Members,
    externs,
    opening,
    state_members,
    state_of,
    struct,
)
from nfverify.oracles.platforms.xdp.tables import MapCode
from nfverify.semantics.engine import check_supported
from nfverify.smat.ir import Network

C = Dialect(exported="", null="NULL")
_LOOP = re.compile(r"^( *)((?:while|for) \(.*\)) \{$", re.MULTILINE)
_COUNTED = re.compile(r"\b((?:rounds|tries)(?:_\d+)?|i) = 0;")
_FUNCTION = re.compile(r"(?<=^\}\n)", re.MULTILINE)
_KEY = re.compile(r"^    (\w+_key) (k(?:_\d+)?);$", re.MULTILINE)
_STACK_KEYS = 160  # bytes
_STACK_PLAIN = 200
_HASH = re.compile(r"^ *\w+_hash\(&\w+\)\n", re.MULTILINE)


class XdpVisitor(Visitor):
    """Writes NAME.bpf.c, whose maps hold `capacity` keys where the model has no bound."""

    def __init__(self, capacity: int | None) -> None:
        self.capacity = capacity
        self.instances: dict[str, InstanceLayout] = {}
        self.maps: list[MapCode] = []

    def visit_network(self, network: Network) -> str:
        """The whole program. ModelError if it is nested too deep, or has a table without bound."""
        for program in {id(i.program): i.program for i in network.instances}.values():
            check_supported(program)
        sees_non_ip = tuple(i.program.sees_non_ip for i in network.instances)
        network = folded_network(network)
        plan = Plan.of(network, Options(batch=False, prefetch=False), sees_non_ip, self)
        self.instances = {instance.name: instance for instance in plan.instances}
        resources = BpfResources(classifier=True)
        tables = [
            self.visit_state(TableCode.of(table), resources)
            for table in plan.tables()
            if resources.dense(table) is None
        ]
        functions = [self.visit_arrival(plan), self.visit_departure(plan)]
        functions += [self.visit_instance(plan, i, resources) for i in plan.instances]
        structs = dict(self._structs(plan))
        head = externs([*structs.items(), *self._values()], resources.externs)
        text = Printer(C).text("\n\n".join([head, *(_HASH.sub("", part) for part in functions)]))
        code = self._keys_aside(_loops(text))
        timers = any(i.program.timers for i in plan.instances)
        fails = timers or any("nf_loop" in part for part in (code, *resources.header))
        apart = 2 * sum(m.key_bytes for m in self.maps) > _STACK_PLAIN
        parts = [
            opening(plan, fails=fails, apart=apart),
            *(struct(name, members) for name, members in structs.items()),
            state_of(plan, self.maps),
            *tables,
            *resources.header,
            code,
            self.visit_machine(plan),
            start(plan, self.maps),
            *([firing(plan)] if timers else []),
            '#include "runtime/nf_xdp_main.h"',
        ]
        return "\n\n".join(part.strip("\n") for part in parts) + "\n"

    def visit_state(self, table: TableCode, resources: Resources) -> str:
        instance = self.instances[table.layout.owner]
        capacity, counted = keys(instance, table.layout, self.capacity)
        self.maps.append(MapCode(table, capacity, counted))
        return self.maps[-1].text()

    def visit_machine(self, plan: Plan) -> str:
        return machine(plan)

    def _keys_aside(self, text: str) -> str:
        """Keys of functions that have many don't stand on the stack, which has 512 bytes for all
        that call one another: as one packet is processed at a time, there need be one of each."""
        sizes = {f"{code.code.prefix}_key": code.key_bytes for code in self.maps}
        parts = _FUNCTION.split(text)
        for at, part in enumerate(parts):
            declared = [m for m in _KEY.finditer(part) if m[1] in sizes]
            if sum(sizes[m[1]] for m in declared) > _STACK_KEYS:
                parts[at] = _KEY.sub(_static, part)
        return "".join(parts)

    # Structs --------------------------------------------------------------------------------

    def _structs(self, plan: Plan) -> Iterator[tuple[str, Members]]:
        for instance in plan.instances:
            yield f"{instance.name}_state", state_members(instance)
        packet: Members = [("nf_head", "head")]
        packet += [("u64", "time")] if plan.timed else []
        packet += [("i32", f"tags[{len(plan.tags)}]")] if plan.tags else []
        packet += [(field_type(name), f"f_{name}") for name in plan.held]
        packet += [("u64", "delay")] if not plan.simple else []
        yield "Packet", packet
        yield "State", [("nf_core", "core"), *((f"{n}_state", n) for n in self.instances)]

    def _values(self) -> Iterator[tuple[str, Members]]:
        for code in self.maps:
            yield code.value, code.members()


def _loops(text: str) -> str:
    """Loops that the verifier needn't follow round by round: it doesn't know where they begin."""
    text = _COUNTED.sub(r"\1 = nf_zero;", text)
    return _LOOP.sub(r"\1\2 {\n\1    if (!nf_loop(&S->core))\n\1        break;", text)


def _static(match: re.Match[str]) -> str:
    return f"    static {match[1]} {match[2]};"
