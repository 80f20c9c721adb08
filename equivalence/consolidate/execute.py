"""A chain executed on all packets at once: its paths, in the order in which a table tries them.

At each choice (the entries of a table, an `if`, a round of a loop, the way out) the alternatives
are taken in order, the last of them without a condition. So the finished paths, depth first, are
the rows of a first-match table: a packet that holds the positive conditions of a path, and of no
earlier one, takes that path. The statements of a path stay as they were, one NF's after the
other's, for a row's actions are sequential too; only conditions are rewritten, to what they ask of
the packet as it arrives and of the state before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from nfverify.equivalence.consolidate.conditions import Conditions
from nfverify.equivalence.consolidate.naming import word
from nfverify.equivalence.consolidate.path import (
    Again,
    EndPass,
    Enter,
    Fail,
    Item,
    Path,
    Row,
    SetPorts,
    StateWrite,
    ToPort,
    Unclear,
    prepend,
)
from nfverify.equivalence.consolidate.rewrite import (
    comparison,
    conjunction,
    conjuncts,
    disjunction,
    negation,
)
from nfverify.equivalence.consolidate.rewriter import (
    NotConsolidatable,
    Rewriter,
    keeps_length,
    refusal,
)
from nfverify.equivalence.terms import Term
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir

MAX_STEPS = 200_000
_IP_BITS = tuple(
    ir.Compare("==", ir.Field(n), ir.Const(0, ir.field_type(n))) for n in ("IP4", "IP6")
)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to go on: its name, conditions on packet and state as they are, what to do then;
    `taken` is what people call an entry, or that there is none."""

    label: str
    condition: tuple[ir.Expr, ...]
    items: tuple[Item, ...]
    rewritten: bool = False  # the condition is over the arriving packet already
    taken: str = ""


@dataclass(slots=True)
class Executor:
    """Walks the paths of a network. `default_port` is that of the table, by ingress."""

    rewriter: Rewriter
    ports: tuple[int, ...]
    default_port: tuple[int, ...]
    sees_non_ip: bool
    max_rows: int
    max_steps: int = MAX_STEPS
    rows: list[Row] = field(default_factory=list)

    @property
    def network(self) -> ir.Network:
        return self.rewriter.network

    @property
    def conditions(self) -> Conditions:
        return self.rewriter.conditions

    def run(self, starts: Sequence[Path]) -> list[Row]:
        """The rows of all paths from `starts`, in order."""
        stack = list(reversed(starts))
        steps = 0
        while stack:
            path = stack.pop()
            while path.todo is not None:
                item, path.todo = path.todo
                steps += 1
                if steps > self.max_steps:
                    raise self._too_much(f"over {self.max_steps:,} statements to follow", path)
                following = self._step(path, item)
                if following is not None:
                    stack.extend(reversed(following))
                    break
            if len(self.rows) > self.max_rows:
                raise self._too_much(f"over {self.max_rows:,} rows", path)
        return self.rows

    def _step(self, path: Path, item: Item) -> list[Path] | None:
        """As `_item`; here what can't be consolidated would be caught."""
        return self._item(path, item)

    def _too_much(self, what: str, path: Path) -> NotConsolidatable:
        return refusal(
            f"the table of {self.network.name} would have {what}",
            self._program(path).span,
            "consolidate a shorter chain",
        )

    def _instance(self, path: Path) -> ir.Instance:
        return self.network.instances[path.instance]

    def _program(self, path: Path) -> ir.Program:
        return self._instance(path).program

    # Statements ---------------------------------------------------------------------------

    def _item(self, path: Path, item: Item) -> list[Path] | None:
        """One step: the paths that go on instead, or None if this one does."""
        match item:
            case ir.If(condition=test, then=then, otherwise=otherwise):
                return self._branch(
                    path,
                    Alternative("then", conjuncts(test), then),
                    Alternative("else", (), otherwise),
                )
            case ir.While():
                path.todo = (Again(item, 0), path.todo)
            case Again():
                return self._loop(path, item)
            case Fail():
                path.failed = True
            case Unclear(reason=reason):
                raise refusal(reason, self._program(path).span)
            case ir.Table(entries=entries):
                rows = (
                    Alternative(
                        word(entry.name, f"e{number}"),
                        conjuncts(entry.guard),
                        entry.body,
                        taken=entry_title(entry, number),
                    )
                    for number, entry in enumerate(entries, 1)
                )
                return self._branch(path, *rows, Alternative("none", (), (), taken="no entry"))
            case Enter(index=index):
                return self._enter(path, index)
            case EndPass():
                return self._end_pass(path)
            case ToPort(port=port):
                return self._to_port(path, port)
            case SetPorts(ports=ports, statement=statement):
                path.forget_output()
                path.output = ir.Ports(ports)
                path.emit(statement)
            case ir.SetOutput(output=ir.Ports(ports=ports)):
                path.output_span = item.span
                return self._set_ports(path, ports)
            case _:
                self._action(path, item)
        return None

    def _action(
        self,
        path: Path,
        item: ir.SetField
        | ir.SetTag
        | ir.SetOutput
        | ir.Write
        | ir.Delete
        | ir.Let
        | ir.Choose
        | ir.Touch
        | ir.Push
        | ir.Pop,
    ) -> None:
        rewriter = self.rewriter
        match item:
            case ir.SetField(name=name, value=value):
                if not path.dummy:  # a dummy has no headers
                    rewritten = rewriter.rewrite(path, value)
                    if name == "payload" and not keeps_length(rewritten):
                        path.unsure_length = item.span
                    path.emit(ir.SetField(name, rewriter.kept(path, value)))
                    rewriter.set_field(path, name, rewritten)
            case ir.SetTag(name=name, value=value):
                rewritten = rewriter.rewrite(path, value)
                path.emit(ir.SetTag(rewriter.tag_name(path, name), rewriter.kept(path, value)))
                path.tags[name] = rewritten
            case ir.SetOutput(output=ir.Delay(delay=delay) as output):
                path.forget_output()
                path.output, path.output_span = output, item.span
                path.emit(ir.SetOutput(ir.Delay(rewriter.kept(path, delay))))
            case ir.SetOutput(output=output):
                path.forget_output()
                path.output, path.output_span = output, item.span
            case ir.Write(var=var, keys=keys, values=values):
                both = [tuple(rewriter.rewrite(path, e) for e in part) for part in (keys, values)]
                kept = [tuple(rewriter.kept(path, e) for e in part) for part in (keys, values)]
                path.emit(ir.Write(rewriter.variable(path, var), *kept))
                rewriter.remember(path, var, StateWrite(*both))
            case ir.Delete(var=var, keys=keys):
                gone = StateWrite(tuple(rewriter.rewrite(path, e) for e in keys), None)
                at = tuple(rewriter.kept(path, e) for e in keys)
                path.emit(ir.Delete(rewriter.variable(path, var), at))
                rewriter.remember(path, var, gone)
            case ir.Let(name=name, value=value):
                rewritten, value = rewriter.rewrite(path, value), rewriter.kept(path, value)
                path.emit(ir.Let(path.bind(name, rewritten), value))
            case ir.Choose() | ir.Touch() | ir.Push() | ir.Pop():
                raise AssertionError("refused by check_provable")
            case _:
                assert_never(item)

    def _set_ports(self, path: Path, ports: tuple[ir.Expr, ...]) -> list[Path] | None:
        """A port that the NF doesn't have drops the packet for good, whatever comes after."""
        rewritten = tuple(self.rewriter.rewrite(path, p) for p in ports)
        kept = ir.SetOutput(ir.Ports(tuple(self.rewriter.kept(path, p) for p in ports)))
        valid = conjunction(tuple(self._is_port(path, p) for p in rewritten))
        known = self.rewriter.known(path, self.conditions.term(valid))
        if known is False:
            path.failed = True
        elif known or self._is_last(path):
            path.todo = (SetPorts(rewritten, kept), path.todo)
        else:
            return self._branch(
                path,
                Alternative("", (valid,), (SetPorts(rewritten, kept),), True),
                Alternative("bad_port", (), (Fail(),)),
            )
        return None

    def _own_ports(self, path: Path) -> tuple[int, ...]:
        return self._program(path).ports or (0, 1)

    def _is_port(self, path: Path, port: ir.Expr) -> ir.Expr:
        return disjunction(tuple(_equals(port, n) for n in self._own_ports(path)))

    def _is_last(self, path: Path) -> bool:
        """Does nothing follow this pass, so that the table itself can tell bad ports?"""
        own, body = self._own_ports(path), self._program(path).body
        return (
            set(own) == set(self.ports or (0, 1))
            and all(self.network.successor(path.instance, p) is None for p in own)
            and not any(
                isinstance(n, ir.SetOutput) and n.output == ir.Resubmit() for n in ir.walk(body)
            )
        )

    # Choices ------------------------------------------------------------------------------

    def _branch(self, path: Path, *alternatives: Alternative) -> list[Path]:
        """The alternatives that some packet can take, in order, each on a path of its own."""
        terms, possible = self.conditions.terms, self.conditions.possible
        prefix = "" if len(self.network.instances) == 1 else f"{self._instance(path).name}_"
        found = []
        for alternative in alternatives:
            child = path.fork()
            try:
                test = self._assume(child, alternative)
            except NotConsolidatable as refused:
                found.append(self._refused(path, refused))
                break
            if test is terms.false or not possible(child.context):
                continue
            if alternative.label:
                child.names = (*child.names, prefix + alternative.label)
            if alternative.taken:
                taken = (self._instance(path).name, alternative.taken)
                child.entries = (*child.entries, taken)
            child.todo = prepend(alternative.items, child.todo)
            found.append(child)
            path.context = (*path.context, terms.not_(test))
            path.asked = (*path.asked, negation(conjunction(child.asked[len(path.asked) :])))
            if test is terms.true or not possible(path.context):
                break
        return found

    def _assume(self, path: Path, alternative: Alternative) -> Term:
        """Adds the conditions to the path; to its guard only those that it doesn't imply."""
        terms = self.conditions.terms
        tests = []
        for condition in alternative.condition:
            asked = condition
            if not alternative.rewritten:
                asked = self.rewriter.rewrite(path, condition)
            for part in conjuncts(asked):
                test = self.conditions.term(part)
                tests.append(test)
                path.context = (*path.context, test)
                path.asked = (*path.asked, part)
                if test is not terms.true and self._adds(path, test):
                    path.guard = (*path.guard, part)
                    path.guard_terms = (*path.guard_terms, test)
        return terms.all(tests)

    def _adds(self, path: Path, test: Term) -> bool:
        """Doesn't the guard imply this condition?"""
        terms, possible = self.conditions.terms, self.conditions.possible
        return possible((*path.guard_terms, terms.not_(test)))

    def _refused(self, path: Path, refused: NotConsolidatable) -> Path:
        """What becomes of a path whose next condition can't be told."""
        raise refused

    def _loop(self, path: Path, again: Again) -> list[Path]:
        loop, rounds = again.loop, again.rounds
        more: tuple[Item, ...] = (Fail(),)
        if rounds < loop.bound:
            more = (*loop.body, Again(loop, rounds + 1))
        return self._branch(
            path,
            Alternative("" if rounds < loop.bound else "limit", conjuncts(loop.condition), more),
            Alternative(f"rounds{rounds}", (), ()),
        )

    # From NF to NF ------------------------------------------------------------------------

    def _enter(self, path: Path, index: int) -> list[Path] | None:
        path.enter(index)
        program = self._program(path)
        body = (*program.body, EndPass())
        if not self.sees_non_ip or program.sees_non_ip:
            path.todo = prepend(body, None)
            return None
        return self._branch(
            path, Alternative("bypass", _IP_BITS, (EndPass(),)), Alternative("", (), body)
        )

    def _end_pass(self, path: Path) -> list[Path] | None:
        output = ir.Drop() if path.failed else path.output
        match output:
            case ir.Drop():
                return self._finish(path, output)
            case ir.Forward() | ir.Ports() if path.dummy:
                return self._finish(path, ir.Drop())  # a dummy never leaves
            case ir.Resubmit() | ir.Delay() if path.dummy:
                return self._finish(path, output)
            case ir.Resubmit() if path.passes == ir.MAX_PASSES:
                return self._finish(path, ir.Drop())
            case ir.Resubmit():
                self._require_length(path)
                path.begin_pass(path.passes + 1)
                path.todo = prepend((*self._program(path).body, EndPass()), None)
                return None
            case ir.Delay():
                raise refusal(
                    f"{self._instance(path).name} holds packets back by timer(…): what goes on"
                    " later, in the middle of a chain, is no row of a table",
                    path.output_span,
                    "consolidate the NFs before it and behind it",
                )
            case ir.Forward():
                return self._forward(path)
            case ir.Ports(ports=ports):
                return self._to_ports(path, ports)
            case _:
                assert_never(output)

    def _require_length(self, path: Path) -> None:
        """What follows must not run if the payload's length changed (decision 11): is that sure?"""
        if path.unsure_length is not None:
            raise refusal(
                f"{self._instance(path).name} writes a payload that may have another length, which"
                " drops the packet before the next NF: no guard can say when",
                path.unsure_length,
                "only Encrypt and Decrypt are known to keep the length",
            )

    def _forward(self, path: Path) -> list[Path] | None:
        program, successor = self._program(path), self.network.successor
        leaves_by = [program.default_port(i) for i in range(len(self.default_port))]
        targets = {successor(path.instance, port) for port in leaves_by}
        if targets == {None} and tuple(leaves_by) == self.default_port:
            return self._finish(path, ir.Forward())
        if len(targets) == 1 and targets != {None}:
            return self._to_port(path, leaves_by[0])
        first, second = program.ports[:2] if program.ports else (0, 1)
        came_by_first = _equals(ir.Field("iface"), first)
        return self._branch(
            path,
            Alternative("", (came_by_first,), (ToPort(second),)),
            Alternative("", (), (ToPort(first),)),
        )

    def _to_ports(self, path: Path, ports: tuple[ir.Expr, ...]) -> list[Path] | None:
        own = self._own_ports(path)
        inner = {p for p in own if self.network.successor(path.instance, p) is not None}
        if self._is_last(path) or all(
            isinstance(p, ir.Const) and p.value not in inner for p in ports
        ):
            return self._finish(path, path.output)
        if len(ports) == 1:
            each = [Alternative("", (_equals(ports[0], p),), (ToPort(p),), True) for p in own[:-1]]
            return self._branch(path, *each, Alternative("", (), (ToPort(own[-1]),)))
        raise refusal(
            f"{self._instance(path).name} sends copies to other NFs, or by ports that it computes:"
            " no row of a table can",
            path.output_span,
            "consolidate the branches one by one",
        )

    def _to_port(self, path: Path, port: int) -> list[Path] | None:
        target = self.network.successor(path.instance, port)
        if target is not None:
            self._require_length(path)
            path.todo = (Enter(target), None)
            return None
        path.forget_output()
        output = ir.Ports((ir.Const(port, ir.PORT),))
        path.emit(ir.SetOutput(output))
        return self._finish(path, output)

    def _finish(self, path: Path, output: ir.Output) -> list[Path]:
        self.rows.append(Row(path.names, path.guard, path.statements, output, path.dummy))
        return []


def _equals(port: ir.Expr, number: int) -> ir.Expr:
    return comparison("==", port, ir.Const(number, ir.PORT))
