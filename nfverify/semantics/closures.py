"""The fast engine: each program becomes two Python functions, built once from the IR.

The text of a model never reaches the generated source: variables, tags and locals are numbers,
field names are those of `packet.fields`, other constants are bound from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from nfverify.packet.fields import FIELDS
from nfverify.semantics import walk as judge
from nfverify.semantics.engine import Compiled, Context
from nfverify.semantics.sources import HELPERS, Function, TooDeepError
from nfverify.smat.ir import (
    MAX_CHOICES,
    TIME,
    Cast,
    Choose,
    Const,
    Delay,
    Delete,
    Drop,
    Forward,
    If,
    Let,
    Output,
    Pop,
    Ports,
    Program,
    Push,
    Resubmit,
    SetField,
    SetOutput,
    SetTag,
    Stmt,
    Table,
    Touch,
    While,
    Write,
)


def build(program: Program, context: Context) -> Compiled:
    """The engine; what nests too deep for Python is left to the walk. ModelError as there."""
    names: dict[str, object] = {"__builtins__": {}, **HELPERS}
    try:
        init = _Function("init", program, context, names).source(program.init)
        body = _Function("body", program, context, names).source(program.body)
    except TooDeepError:
        return judge.build(program, context)
    exec(compile(init + body, "<generated from the SMAT>", "exec"), names)  # see the module's text
    return Compiled(names["init"], names["body"])  # type: ignore[arg-type]  # made by exec


@dataclass(slots=True)
class _Function(Function):
    """The same with statements."""

    def source(self, statements: tuple[Stmt, ...]) -> str:
        """The definition of `name(packet, tags, now, store, counters)`, an engine.Pass."""
        self.statements(statements)
        head = [f"def {self.name}(p, g, now, s, c):", "    h = p.bits", "    o = None"]
        head.append("    e = False")
        head.extend(f"    m{i} = s[{i}]" for i in sorted(self.used))
        return "\n".join([*head, *self.lines, "    return () if e else o", ""])

    def fail(self, counter: str) -> None:
        self.line("e = True")
        self.line(f"c[{counter!r}] += 1")

    # Statements ---------------------------------------------------------------------------

    def statements(self, nodes: tuple[Stmt, ...]) -> None:
        for node in nodes:
            self.statement(node)

    def statement(self, node: Stmt) -> None:
        match node:
            case SetField():
                self.set_field(node)
            case SetTag():
                self.line(f"g[{self.context.tags[node.name]}] = {self.text(node.value)}")
            case SetOutput():
                self.set_output(node.output)
            case Write():
                self.write(node)
            case Delete():
                self.line(f"{self.variable(node.var)}.pop({self.row(node.keys)}, None)")
            case Let():
                value = self.text(node.value)
                name = self.locals.setdefault(node.name, f"v{len(self.locals)}")
                self.line(f"{name} = {value}")
            case If():
                with self.block(f"if {self.text(node.condition)}:"):
                    self.statements(node.then)
                    self.line("pass")
                if node.otherwise:
                    with self.block("else:"):
                        self.statements(node.otherwise)
            case While():
                self.loop(node)
            case Table():
                with self.block("while True:", loop=True):  # left by the first entry that matches
                    for entry in node.entries:
                        with self.block(f"if {self.text(entry.guard)}:"):
                            self.statements(entry.body)
                            self.line("break")
                    self.line("break")
            case Choose():
                self.choose(node)
            case Touch():
                self.touch(node)
            case Push():
                args = "".join(f", {self.text(arg)}" for arg in node.args)
                self.header(f"push(p, {node.kind!r}{args})")
            case Pop():
                self.header(f"pop(p, {node.kind!r})")
            case _:
                assert_never(node)

    def loop(self, node: While) -> None:
        rounds = self.temporary("0")
        with self.block("while True:", loop=True):
            condition = self.text(node.condition)
            self.line(f"if not {condition}: break")
            with self.block(f"if {rounds} == {node.bound}:"):
                self.fail("loop_limit")
                self.line("break")
            self.line(f"{rounds} += 1")
            self.statements(node.body)

    def choose(self, node: Choose) -> None:
        low = self.temporary(self.text(node.low))
        high = self.text(node.high)
        name = self.locals.setdefault(node.name, f"v{len(self.locals)}")
        candidates = f"range({low}, min({high}, {low} + {MAX_CHOICES - 1}) + 1)"
        if self.context.chooser is not None:
            fits = f"w{len(self.lines)}"
            with self.block(f"def {fits}({name}):"):
                self.line(f"return {self.text(node.where)}")
            who = [self.bind(v) for v in (self.context.chooser, self.context.instance, node)]
            self.line(f"{name} = {who[0]}({who[1]}, {who[2]}, {candidates}, {fits})")
            with self.block(f"if {name} is None:"):
                self.line(f"{name} = {low}")
                self.fail("no_choice")
            return
        with self.block(f"for {name} in {candidates}:", loop=True):
            self.line(f"if {self.text(node.where)}: break")
        with self.block("else:"):
            self.line(f"{name} = {low}")
            self.fail("no_choice")

    def write(self, node: Write) -> None:
        rows, key = self.variable(node.var), self.row(node.keys)
        held = self.program.variable(node.var)
        if not held.aged:
            self.line(f"{rows}[{key}] = {self.row(node.values)}")
            return
        key = self.temporary(key)
        row = self.temporary(f"{self.row(node.values)} + (now,)")
        if held.timeout is not None:
            self.line(f"forget({rows}, now - {held.timeout})")
        if held.capacity is not None:
            full = f"len({rows}) == {held.capacity} and {key} not in {rows}"
            if held.overflow == "reject":
                with self.block(f"if not ({full}):"):
                    self.newest(rows, key, row)
                return
            self.line(f"if {full}: {rows}.popitem(last=False)")
        self.newest(rows, key, row)

    def newest(self, rows: str, key: str, row: str) -> None:
        self.line(f"{rows}[{key}] = {row}")
        self.line(f"{rows}.move_to_end({key})")

    def touch(self, node: Touch) -> None:
        held = self.program.variable(node.var)
        if not held.aged:
            self.line("pass")
            return
        rows, key = self.variable(node.var), self.temporary(self.row(node.keys))
        row = self.temporary(self.present(held, rows, key, "None"))
        with self.block(f"if {row} is not None:"):
            self.newest(rows, key, f"{row}[:-1] + (now,)")

    def set_field(self, node: SetField) -> None:
        info = FIELDS[node.name]
        value = self.text(node.value)
        with self.block(f"if h & {info.headers.value}:"):
            if info.shown == "bytes":
                value = self.temporary(value)
                with self.block(f"if len({value}) == len(p.{info.name}):"):
                    self.line(f"p.{info.name} = {value}")
                with self.block("else:"):
                    self.fail("payload_length")
            else:
                self.line(f"p.{info.name} = {value}")

    def header(self, call: str) -> None:
        failure = self.temporary(call)
        with self.block(f"if {failure}:"):
            self.line("e = True")
            self.line(f"c[{failure}] += 1")
        self.line("h = p.bits")

    def set_output(self, output: Output) -> None:
        match output:
            case Forward():
                self.line("o = None")
            case Drop():
                self.line("o = ()")
            case Ports():
                self.line(f"o = {self.row(output.ports)}")
                known = range(self.context.ports)
                if not all(isinstance(p, Const) and p.value in known for p in output.ports):
                    with self.block(f"if not {self.bind(frozenset(known))}.issuperset(o):"):
                        self.fail("bad_port")
            case Resubmit():
                self.line("o = -1")
            case Delay():
                self.line(f"o = {self.text(Cast(output.delay, TIME))}")
            case _:
                assert_never(output)
