"""The upgrade: the new model takes over the old one's state, against the old one that goes on.

Both questions become an equivalence of two models, so that nothing new has to be trusted. From a
saved state, both begin in it. From any reachable state, a packet by a port of its own is the moment
of the upgrade: the old model ignores it; its rival is the old model until then and the new one from
then on, both on the same variables where name and type agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from nfverify.semantics.walk import entry_title
from nfverify.smat import ir, rebuild

PORT = "reload"
MODE = "reloaded"
NO_PORT = 65535  # of no network: a packet to it is dropped, and counted


Claim = tuple[tuple[ir.Type, ...], ir.Expr]


class Refused(Exception):
    """Why nothing can be said about an upgrade."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The old model that goes on, its rival, the number of the port of the upgrade; what became of
    which variable, in words; and what may hold of both."""

    old: ir.Network
    new: ir.Network
    port: int
    notes: tuple[str, ...]
    claims: tuple[Claim, ...]


def reloaded(old: ir.Network, new: ir.Network) -> Reloaded:
    """Both sides of the question whether an upgrade at any time shows. Raises Refused."""
    if len(old.ports) != len(new.ports):
        raise Refused(f"old has {len(old.ports)} ports, new {len(new.ports)}")
    pairs = tuple(paired(old, new))
    port = max(2, len(old.ports))
    name = PORT if PORT not in (*old.ports, *new.ports) else f"{PORT} "
    ports = (*old.ports, *[str(n) for n in range(len(old.ports), port)], name)
    ours, theirs = [], []
    notes: list[str] = []
    claims: list[Claim] = []
    for index, (before, after) in enumerate(pairs):
        where = f"{before.name}." if len(pairs) > 1 else ""
        onward = _onward(old, index, port)
        made = Merged(before.program, after.program, where, port, onward)
        ours.append(ir.Instance(before.name, made.old_side()))
        theirs.append(ir.Instance(before.name, made.new_side()))
        notes += made.notes()
        claims += made.claims(before.name if len(pairs) > 1 else "")
    return Reloaded(
        replace(old, ports=ports, instances=tuple(ours)),
        replace(old, name=new.name, ports=ports, instances=tuple(theirs)),
        port,
        tuple(notes),
        tuple(claims),
    )


def paired(old: ir.Network, new: ir.Network) -> Iterator[tuple[ir.Instance, ir.Instance]]:
    """Each instance before and after. Raises Refused."""
    if len(old.instances) == len(new.instances) == 1:
        yield old.instances[0], new.instances[0]
        return
    names = [i.name for i in old.instances], [i.name for i in new.instances]
    if names[0] != names[1] or (old.wires, old.ingress) != (new.wires, new.ingress):
        raise Refused("the chains are made of other instances, or wired otherwise")
    yield from zip(old.instances, new.instances, strict=True)


def _onward(network: ir.Network, index: int, port: int) -> ir.Output:
    """How a packet gets from an instance to all that follow it; nothing leaves the network."""
    wires = [wire for wire in network.wires if wire.source == index]
    if not wires:
        return ir.Drop()
    named = [wire.port for wire in wires if wire.port is not None]
    chosen = list(named)
    if len(named) < len(wires):
        program = network.instances[index].program
        free = [p for p in (program.default_port(port), *program.ports) if p not in named]
        if not free:
            raise Refused(f"no port of {network.instances[index].name} leads to all that follow")
        chosen.append(free[0])
    return ir.Ports(tuple(ir.Const(p, ir.PORT) for p in chosen))


def _of(program: ir.Program) -> tuple[ir.Stmt | ir.Expr, ...]:
    return (*program.init, *program.body, *(i.expr for i in program.invariants))


@dataclass(slots=True)
class Merged:
    """One instance before and after; `where` is in front of its variables' names in notes."""

    old: ir.Program
    new: ir.Program
    where: str = ""
    port: int = 0
    onward: ir.Output = field(default_factory=ir.Drop)

    def __post_init__(self) -> None:
        if self.old.timers != self.new.timers:
            raise Refused(f"{self.old.name}'s timers are others now: when they are due is unknown")
        for program in (self.old, self.new):
            for node in ir.walk(_of(program)):
                if isinstance(node, ir.SetField) and node.name == "iface":
                    raise Refused("a model writes f[iface]")
        if (self.old.ports[:2] or (0, 1)) != (self.new.ports[:2] or (0, 1)):
            raise Refused("ports are declared in another order, so that packets leave otherwise")
        if self.old.sees_non_ip != self.new.sees_non_ip:
            raise Refused("only one of both models looks at frames that are not IP")

    # Variables ----------------------------------------------------------------------------

    def shared(self) -> dict[str, ir.StateVar]:
        """The new model's variables that take over the old one's content, by name."""
        old = {v.name: v for v in self.old.state}
        return {v.name: v for v in self.new.state if self.fits(old.get(v.name), v)}

    @staticmethod
    def fits(old: ir.StateVar | None, new: ir.StateVar) -> bool:
        """Can it hold what the other held? Equal tables that nothing assigns are one, too."""
        if old is None or (old.keys, old.values) != (new.keys, new.values):
            return False
        if old.constant or new.constant:
            same = (old.default, old.entries) == (new.default, new.entries)
            return old.constant and new.constant and same
        return True

    def notes(self) -> Iterator[str]:
        """What became of the variables that were not taken over as they are."""
        old = {v.name: v for v in self.old.state if not v.constant}
        kept = self.shared()
        for variable in self.new.state:
            name = f"{self.where}{variable.name}"
            before = old.get(variable.name)
            if variable.constant or variable.name in kept:
                if before is not None and before.granularity != variable.granularity:
                    yield f"reload: {name} is kept, though its keys are of other fields now"
            elif before is None:
                yield f"reload: {name} begins anew: the old model has no such state"
            else:
                yield f"reload: {name} begins anew: it has another type now"
        for name in old:
            if name not in {v.name for v in self.new.state}:
                yield f"reload: what the old model's {self.where}{name} holds is lost"

    def fresh(self, name: str) -> str:
        """A name that no variable has."""
        taken = {v.name for p in (self.old, self.new) for v in p.state}
        while name in taken:
            name += "_"
        return name

    # The two sides ------------------------------------------------------------------------

    def old_side(self) -> ir.Program:
        """The old model, which goes on."""
        upgrade = (ir.SetOutput(self.onward),)
        body = (ir.If(self.arrives(), upgrade, self.closed(self.old.body)),)
        return replace(self.old, body=body)

    def before(self) -> dict[str, str]:
        """What the old model's variables are called in its rival."""
        kept = self.shared()
        names = [v.name for v in self.old.state]
        return {name: name if name in kept else self.fresh(f"{name}_before") for name in names}

    def claims(self, instance: str) -> Iterator[Claim]:
        """Until the upgrade both sides are in the same state."""
        place = f".{instance}." if instance else "."
        mode = ir.Read(f"b{place}{self.fresh(MODE)}", (), 0, ir.BOOL)
        names = self.before()
        for variable in self.old.state:
            if variable.constant:
                continue
            keys = tuple(ir.Local(f"k{n}", t) for n, t in enumerate(variable.keys))
            a, b = f"a{place}{variable.name}", f"b{place}{names[variable.name]}"
            for n, of in enumerate(variable.values):
                same = ir.Compare("==", ir.Read(a, keys, n, of), ir.Read(b, keys, n, of))
                yield variable.keys, ir.Or((mode, same))
            if variable.keys:
                same = ir.Compare("==", ir.Has(a, keys), ir.Has(b, keys))
                yield variable.keys, ir.Or((mode, same))

    def new_side(self) -> ir.Program:
        """The old model until the upgrade, the new one from then on."""
        kept, before = self.shared(), self.before()
        mode = self.fresh(MODE)
        old_body = _marked(_renamed(self.old.body, before, ""))
        new_body = _renamed(self.defaulted(self.new.body, kept), {}, "_after")
        switched = ir.Read(mode, (), 0, ir.BOOL)
        body = ir.If(
            self.arrives(),
            (ir.Write(mode, (), (ir.TRUE,)), ir.SetOutput(self.onward)),
            (ir.If(switched, self.closed(new_body), self.closed(old_body)),),
        )
        old_state = tuple(replace(v, name=before[v.name]) for v in self.old.state)
        new_state = tuple(v for v in self.new.state if v.name not in kept)
        invariants = (
            *self.guarded(self.old, before, (switched,)),
            *self.guarded(self.new, {}, (ir.Not(switched),)),
        )
        return ir.Program(
            self.new.name,
            self.old.ports,
            self.new.config,
            (*old_state, *new_state, ir.StateVar(mode, (), (ir.BOOL,), (False,), "plain")),
            (*_renamed(self.old.init, before, ""), *self.own_init(kept)),
            self.old.timers,
            (body,),
            invariants,
            (),
            tuple(dict.fromkeys((*self.old.operators, *self.new.operators))),
        )

    def arrives(self) -> ir.Expr:
        """Is this the moment of the upgrade?"""
        return ir.Compare("==", ir.Field("iface"), ir.Const(self.port, ir.PORT))

    def closed(self, body: tuple[ir.Stmt, ...]) -> tuple[ir.Stmt, ...]:
        """The same with no way out by the port of the upgrade: it is no port of the models."""

        def change(node: rebuild.Part) -> rebuild.Part:
            match node:
                case ir.SetOutput(output=ir.Ports(ports=ports)):
                    return replace(node, output=ir.Ports(tuple(map(self.allowed, ports))))
                case _:
                    return node

        return tuple(rebuild.mapped(s, change) for s in body)  # type: ignore[misc]  # statements

    def allowed(self, port: ir.Expr) -> ir.Expr:
        nowhere = ir.Const(NO_PORT, port.type)
        if isinstance(port, ir.Const):
            return nowhere if port.value == self.port else port
        wrong = ir.Compare("==", port, ir.Const(self.port, port.type))
        return ir.Conditional(wrong, nowhere, port, port.type)

    def defaulted(
        self, body: tuple[ir.Stmt, ...], kept: dict[str, ir.StateVar]
    ) -> tuple[ir.Stmt, ...]:
        """The new body on the old variables: what is absent reads as the new model says."""
        old = {v.name: v for v in self.old.state}
        others = {n: v for n, v in kept.items() if v.keys and v.default != old[n].default}

        def change(node: rebuild.Part) -> rebuild.Part:
            if not isinstance(node, ir.Read) or node.var not in others:
                return node
            default = ir.Const(others[node.var].default[node.index], node.type)
            return ir.Conditional(ir.Has(node.var, node.keys), node, default, node.type)

        return tuple(rebuild.mapped(s, change) for s in body)  # type: ignore[misc]  # statements

    def own_init(self, kept: dict[str, ir.StateVar]) -> Iterator[ir.Stmt]:
        """What the new model's `init` does to variables that begin anew. Raises Refused."""
        if self.new.init == self.old.init and all(
            n.var in kept for n in ir.walk(self.new.init) if isinstance(n, ir.Write | ir.Delete)
        ):
            return
        for statement in self.new.init:
            match statement:
                case ir.Write(var=var) if var in kept:
                    continue
                case ir.Write(keys=keys, values=values) if all(
                    isinstance(part, ir.Const) for part in (*keys, *values)
                ):
                    yield statement
                case _:
                    raise Refused(f"{self.new.name}'s `init` does more than assign constants")

    @staticmethod
    def guarded(
        program: ir.Program, names: dict[str, str], unless: tuple[ir.Expr, ...]
    ) -> Iterator[ir.Invariant]:
        for invariant in program.invariants:
            expr = rebuild.mapped_expr(invariant.expr, lambda e: _variable(e, names))  # type: ignore[arg-type, return-value]
            yield replace(invariant, expr=ir.Or((*unless, expr)))


def _marked(body: tuple[ir.Stmt, ...]) -> tuple[ir.Stmt, ...]:
    """With names of entries that no entry of the new model has."""

    def change(node: rebuild.Part) -> rebuild.Part:
        if not isinstance(node, ir.Table):
            return node
        entries = (
            replace(entry, name=f"{entry_title(entry, place)} (old)")
            for place, entry in enumerate(node.entries, 1)
        )
        return replace(node, entries=tuple(entries))

    return tuple(rebuild.mapped(s, change) for s in body)  # type: ignore[misc]  # statements


def _variable(node: rebuild.Part, names: dict[str, str]) -> rebuild.Part:
    if isinstance(node, ir.Read | ir.Has | ir.Write | ir.Delete | ir.Touch):
        return replace(node, var=names.get(node.var, node.var))
    return node


def _renamed(body: tuple[ir.Stmt, ...], names: dict[str, str], local: str) -> tuple[ir.Stmt, ...]:
    """With these names of variables, and locals told apart from another program's."""

    def change(node: rebuild.Part) -> rebuild.Part:
        if isinstance(node, ir.Local | ir.Let | ir.Choose):
            return replace(node, name=f"{node.name}{local}")
        return _variable(node, names)

    return tuple(rebuild.mapped(s, change) for s in body)  # type: ignore[misc]  # statements
