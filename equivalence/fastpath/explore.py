"""All ways of a packet through a chain, and all writes to state that any packet or timer makes.

What the consolidated table has no row for (`equivalence.consolidate`) goes on here with values of
which nothing is known, or ends: such ways are slow, and what they may still write is noted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from nfverify.equivalence.consolidate.execute import Alternative, Executor
from nfverify.equivalence.consolidate.naming import Renaming
from nfverify.equivalence.consolidate.path import (
    EndPass,
    Enter,
    Item,
    Path,
    Unclear,
    prepend,
)
from nfverify.equivalence.consolidate.rewriter import NotConsolidatable
from nfverify.equivalence.consolidate.timers import timers_of
from nfverify.equivalence.fastpath.headers import NEEDED, LayeredPath
from nfverify.equivalence.fastpath.sight import OPAQUE, World
from nfverify.equivalence.fastpath.ways import Assignment, Exploration, Resolver, Way
from nfverify.equivalence.problem import bypass
from nfverify.equivalence.terms import Term
from nfverify.fastpath.plan import LONGEST, qualified
from nfverify.packet.fields import VXLAN_PORT
from nfverify.smat import ir

MAX_WAYS = 1_000
MAX_STEPS = 6_000
_NO_VXLAN = ir.Or(
    (
        ir.Compare("!=", ir.Field("proto"), ir.Const(17, ir.Bits(8))),
        ir.Compare("!=", ir.Field("dport"), ir.Const(VXLAN_PORT, ir.PORT)),
    )
)


def explore(network: ir.Network) -> tuple[World, Exploration]:
    """The ways of packets that records can serve, with the writers of all; and their world."""
    variables = {qualified(i.name, v.name): v for i in network.instances for v in i.program.state}
    variables = {name: replace(v, name=name) for name, v in variables.items()}
    count = max(2, len(network.ports))
    found = Exploration(plain=any(map(_has_headers, network.instances)))
    served = World(variables, count, True, True, found.plain)
    _run(network, served, found)
    # Frames that are not plain can't be told from others by their fields.
    others = World(variables, count, False, None if found.plain else False)
    _run(network, others, found)
    return served, found


def _run(network: ir.Network, world: World, found: Exploration) -> None:
    renamings = tuple(
        Renaming(
            {v.name: qualified(i.name, v.name) for v in i.program.state},
            {c.name: c.name for c in i.program.config},
            {n.ruleset: n.ruleset for n in ir.walk(i.program.body) if isinstance(n, ir.Match)},
        )
        for i in network.instances
    )
    timers = timers_of(network)
    count = max(2, len(network.ports))
    ports = tuple(range(count)) if any(i.program.ports for i in network.instances) else ()
    default = tuple(_default_port(ports, i) for i in range(count))
    sees_non_ip = not world.served and (
        any(i.program.sees_non_ip for i in network.instances)
        or any(bypass(network, i) != port for i, port in enumerate(default))
    )
    resolver = Resolver(network, renamings, tuple(t.tags for t in timers), world, found)
    explorer = Explorer(
        resolver, ports, default, sees_non_ip, MAX_WAYS, MAX_STEPS, found=found, world=world
    )
    starts: list[Path] = [LayeredPath((Enter(network.ingress), None), network.ingress)]
    if not world.served:
        starts += [
            LayeredPath(
                prepend((*instance.program.body, EndPass()), None),
                index,
                dummy=True,
                asked=(start.marker,),
                context=(world.term(start.marker),),
                tags={name: ir.Const(value, ir.INT) for name, value in start.known.items()},
            )
            for index, instance in enumerate(network.instances)
            for start in timers[index].starts
        ]
    try:
        explorer.run(starts)
    except NotConsolidatable:
        found.anyhow.update(world.variables)
        if world.served:
            found.ways.append(Way((), (), (), (), (), slow="more ways than are followed"))


def _has_headers(instance: ir.Instance) -> bool:
    return any(isinstance(n, ir.Push | ir.Pop) for n in ir.walk(instance.program.body))


def _default_port(ports: tuple[int, ...], ingress: int) -> int:
    first, second = ports[:2] if ports else (0, 1)
    return second if ingress == first else first


@dataclass(slots=True)
class Explorer(Executor):
    """Hands out finished paths as ways."""

    found: Exploration = field(kw_only=True)
    world: World = field(kw_only=True)
    lost: set[tuple[tuple[tuple[str, str], ...], str]] = field(default_factory=set, kw_only=True)

    def _step(self, path: Path, item: Item) -> list[Path] | None:
        try:
            return self._special(path, item)
        except NotConsolidatable as refused:
            return self._cut(path, refused)

    def _special(self, path: Path, item: Item) -> list[Path] | None:
        match item:
            case ir.Choose(name=name, type=type_):
                resolver = self.rewriter
                assert isinstance(resolver, Resolver)
                path.bind(name, resolver.opaque(type_, "a choice between several values"))
                path.refused = path.refused or "a choice between several values"
                return None
            case ir.Touch(var=var):
                name = self.rewriter.variable(path, var)
                if self.conditions.variables[name].aged:
                    path.refused = path.refused or f"{name} forgets what is old"
                return None
            case ir.Push() | ir.Pop() | Unclear():
                assert isinstance(path, LayeredPath)
                return None if path.dummy else self._headers(path, item)
            case ir.SetField() if isinstance(path, LayeredPath) and path.lost:
                return None
            case _:
                return super(Explorer, self)._item(path, item)

    def _headers(self, path: LayeredPath, item: ir.Push | ir.Pop | Unclear) -> list[Path] | None:
        """Of packets that are not served, nothing is known behind a header pushed or popped."""
        if path.lost or not self.world.served:
            path.lost = True
            return None
        match item:
            case Unclear(reason=reason):
                path.lost, path.refused = True, path.refused or reason
                path.followed = path.entries
                return None
            case ir.Push(kind="vlan", args=(vid,)):
                failed = path.push_tag(self.rewriter.rewrite(path, vid))
            case ir.Push(kind=kind, args=args):
                resolver = self.rewriter
                assert isinstance(resolver, Resolver)
                now = {name: resolver.field(path, name) for name in NEEDED}
                long = ir.Compare("<=", now["iplen"], ir.Const(LONGEST, now["iplen"].type))
                if not path.under and not resolver.known(path, self.conditions.term(long)):
                    short = Alternative("", (long,), (item,), True)
                    unclear = Unclear("a packet of extraordinary length gets a header")
                    return self._branch(path, short, Alternative("", (), (unclear,)))
                what = "the length of a frame" if kind == "vxlan" else "the bytes of a packet"
                payload = resolver.opaque(ir.BYTES, "the bytes of a packet")
                length = resolver.opaque(ir.Bits(16), what)
                found = tuple(resolver.rewrite(path, a) for a in args)
                failed = path.push(kind, found, now, payload, length)
            case ir.Pop(kind="vlan"):
                failed = None
                path.pop_tag()
            case ir.Pop(kind=kind) if path.under:
                if "payload" in path.fields:
                    return self._headers(path, Unclear("a payload with a packet is written"))
                failed = path.pop(kind)
            case ir.Pop(kind="ipip"):
                return None  # TCP or UDP is inside
            case ir.Pop():
                unclear = Unclear("what is inside a frame that arrives in a tunnel")
                return self._branch(
                    path,
                    Alternative("", (_NO_VXLAN,), (), True),
                    Alternative("", (), (unclear,)),
                )
        path.failed = path.failed or failed is not None
        return None

    def _cut(self, path: Path, refused: NotConsolidatable) -> list[Path]:
        """The path ends here, slow; whatever it may write from here on, it may write anyhow."""
        path.refused = path.refused or refused.diagnostics[0].message
        self._lose(path)
        return self._finish(path, ir.Drop())

    def _refused(self, path: Path, refused: NotConsolidatable) -> Path:
        path.refused = path.refused or refused.diagnostics[0].message
        self._lose(path)
        path.todo = (EndPass(), None)
        path.failed = True
        return path

    def _lose(self, path: Path) -> None:
        todo, done = [path.instance], set()
        while todo:
            index = todo.pop()
            if index in done:
                continue
            done.add(index)
            instance = self.network.instances[index]
            self.found.anyhow.update(
                qualified(instance.name, n.var)
                for n in ir.walk(instance.program.body)
                if isinstance(n, ir.Write | ir.Delete | ir.Touch)
            )
            todo += [w.target for w in self.network.wires if w.source == index]

    def _adds(self, path: Path, test: Term) -> bool:
        return False  # guards are not needed

    def _is_last(self, path: Path) -> bool:
        return False  # ports that are none are told from others

    def _end_pass(self, path: Path) -> list[Path] | None:
        if path.failed or (path.output == ir.Resubmit() and path.passes == ir.MAX_PASSES):
            path.refused = path.refused or "an error drops the packet and is counted"
        return super(Explorer, self)._end_pass(path)

    def _to_ports(self, path: Path, ports: tuple[ir.Expr, ...]) -> list[Path] | None:
        own = self._own_ports(path)
        if all(self.network.successor(path.instance, p) is None for p in own):
            return self._finish(path, path.output)
        return super(Explorer, self)._to_ports(path, ports)

    def _finish(self, path: Path, output: ir.Output) -> list[Path]:
        if self.world.served and not path.dummy:
            way = self._way(path, output)
            assert isinstance(path, LayeredPath)
            if path.lost:  # where it goes from there isn't known
                lost = (path.followed, way.slow)
                if lost in self.lost:
                    return []
                self.lost.add(lost)
                way = Way((), (), (), (), path.followed, slow=way.slow)
            self.found.ways.append(way)
        return []

    def _way(self, path: Path, output: ir.Output) -> Way:
        slow = path.refused
        outputs: tuple[ir.Expr, ...] = ()
        match output:
            case ir.Drop():
                pass
            case ir.Forward():
                outputs = (self._other_side(),)
            case ir.Ports(ports=outputs):
                if len(outputs) > 1:
                    slow = slow or "several outputs"
            case ir.Resubmit() | ir.Delay():
                slow = slow or "the packet comes back later"
        if path.unsure_length is not None:
            slow = slow or "a payload that may have another length"
        writes = tuple(
            Assignment(var.split(".", 1)[0], var, w.keys, w.values)
            for var, found in path.writes.items()
            for w in found
        )
        assert isinstance(path, LayeredPath)
        fields = tuple(
            (name, value)
            for name, value in path.arrived_fields().items()
            if ir.Field(name) != value and not (self.world.plain and name == "vlan")
        )
        pushes = path.pushes() if outputs else ()
        if pushes is None:
            slow, pushes = slow or "a header that was pushed is written", ()
        way = Way(path.asked, fields, writes, outputs, path.entries, pushes, slow)
        return way if slow else replace(way, slow=self._unknown(way))

    def _other_side(self) -> ir.Expr:
        """The port by which a packet leaves by default."""
        result: ir.Expr = ir.Const(self.default_port[-1], ir.PORT)
        for ingress, port in reversed(list(enumerate(self.default_port[:-1]))):
            came = ir.Compare("==", ir.Field("iface"), ir.Const(ingress, ir.PORT))
            leaves = ir.Const(port, ir.PORT)
            if leaves != result:
                result = ir.Conditional(came, leaves, result, ir.PORT)
        return result

    def _unknown(self, way: Way) -> str:
        """Why the way is slow, if it is about a value of which nothing is known."""
        exprs = [*way.conditions, *(v for _, v in way.fields), *way.outputs]
        exprs += [a for _, args in way.pushes for a in args]
        for write in way.writes:
            exprs += [*write.keys, *(write.values or ())]
        for node in ir.walk(tuple(exprs)):
            if isinstance(node, ir.Local) and node.name.startswith(OPAQUE):
                return self.found.reasons[node.name]
        return ""
