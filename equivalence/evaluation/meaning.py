"""What the symbols of a pass mean where it runs, as expressions of generated Python.

Names in the code are generated; names of a model only choose which objects the code is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.evaluation.stores import counter, oldest_finder
from nfverify.equivalence.expressions import signature
from nfverify.equivalence.terms import Term
from nfverify.semantics.engine import Context
from nfverify.semantics.operators import Function, aes_ctr, murmur3, resolve
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

CHEAP = ("part", "there", "length", "key")  # what costs less than to remember whether it is known


def operator_names(program: ir.Program, context: Context) -> dict[str, Function]:
    """The functions that a program applies, by the name that terms give each. ModelError if one is
    missing."""
    found: dict[str, Function] = {}
    for node in ir.walk(program.init + program.body):
        if isinstance(node, ir.Apply):
            function = resolve(node, context.operators)
            result = signature([ir.Const(ir.zero(node.type), node.type)])
            found[f"op {node.op} {signature(node.args)} {result}"] = function
    return found


def words(*values: int) -> int:
    """`hash` of 32-bit words."""
    return murmur3(b"".join([v.to_bytes(4, "big") for v in values]))


def to_signed(text: str, type_: ir.Type) -> str:
    """From a term's value to the program's."""
    if isinstance(type_, ir.Bits) and type_.signed:
        half = 1 << (type_.width - 1)
        return f"(({text} ^ {half}) - {half})"
    return text


def to_unsigned(text: str, type_: ir.Type) -> str:
    """The other way round."""
    if isinstance(type_, ir.Bits) and type_.signed:
        return f"({text} & {(1 << type_.width) - 1})"
    return text


def tuple_text(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)},)" if parts else "()"


@dataclass(slots=True)
class Meaning:
    """The objects that the code of one program needs, and the text of its symbols."""

    program: ir.Program
    context: Context
    objects: dict[str, object] = field(default_factory=dict)
    rulesets: dict[str, Ruleset] = field(default_factory=dict)
    _functions: Mapping[str, Function] = field(init=False)
    _index: dict[str, int] = field(init=False)
    _known: dict[object, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._functions = operator_names(self.program, self.context)
        self._index = {v.name: i for i, v in enumerate(self.program.state)}

    def object(self, key: object, make: Callable[[], object]) -> str:
        """The name of an object of the code, made once for each key."""
        if key not in self._known:
            self._known[key] = f"k{len(self._known)}"
            self.objects[self._known[key]] = make()
        return self._known[key]

    def rows(self, var: str) -> str:
        """The rows of a variable."""
        return f"store[{self._index[var]}]"

    def variable(self, var: str) -> ir.StateVar:
        return self.program.state[self._index[var]]

    def key(self, var: str, parts: Sequence[str]) -> str:
        """A key as stores have it, from unsigned parts."""
        types = self.variable(var).keys
        return tuple_text([to_signed(p, t) for p, t in zip(parts, types, strict=True)])

    def constant(self, term: Term) -> str:
        if isinstance(term.data, bytes):
            return self.object(term.data, lambda: term.data)
        return repr(term.data)

    def symbol(self, name: str) -> str:
        """Where a symbol's value comes from."""
        kind, _, rest = name.partition(" ")
        match kind:
            case "now":
                return "now"
            case "field":
                return f"packet.{rest}"
            case "header":
                return f"(packet.bits & {int(rest)} != 0)"
            case "tag":
                return f"(tags[{self.context.tags[rest]}] & 0xFFFFFFFF)"
            case "plain":
                index, var = rest.split(" ", 1)
                type_ = self.variable(var).values[int(index)]
                return to_unsigned(f"{self.rows(var)}[()][{index}]", type_)
            case "count":
                count = self.object(name, lambda: counter(self.variable(rest)))
                return f"{count}({self.rows(rest)}, now)"
            case _:
                raise AssertionError(name)

    def apply(self, term: Term, args: Sequence[str]) -> str:
        """An uninterpreted function, as it really is."""
        name: str = term.data
        kind, _, rest = name.partition(" ")
        match kind:
            case "row":
                return f"{self.rows(rest)}.get({self.key(rest, args)})"
            case "there":
                return f"({args[0]} is not None)"
            case "part":
                index, var = rest.split(" ", 1)
                return self._part(var, int(index), args[0])
            case "victim":
                shape, var = rest.split(". ", 1)
                return self._victim(name, shape, var, args)
            case "key":
                index, var = rest.split(" ", 1)
                return to_unsigned(f"{args[0]}[{index}]", self.variable(var).keys[int(index)])
            case "ruleset":
                accepts = self.object(name, lambda: self.rulesets[rest].accepts)
                return f"{accepts}({tuple_text(args)})"
            case "contains":
                return f"({self.object(name, lambda: bytes.fromhex(rest))} in {args[0]})"
            case "length":
                return f"len({args[0]})"
            case "Encrypt" | "Decrypt":
                kinds = rest.split(",")
                return f"{self.object('aes', lambda: aes_ctr)}({self._call(kinds, args)})"
            case "op":
                _, signature_, result = rest.split(" ")
                function = self.object(name, lambda: self._functions[name])
                text = f"{function}({self._call(signature_.split(','), args)})"
                return to_unsigned(text, _type_of(result))
            case _:
                assert kind.startswith("hash"), name
                return f"{self.object('hash', lambda: words)}({', '.join(args)})"

    def _call(self, kinds: Sequence[str], args: Sequence[str]) -> str:
        if not args:
            return ""
        return ", ".join(to_signed(a, _type_of(k)) for a, k in zip(args, kinds, strict=True))

    def _part(self, var: str, index: int, row: str) -> str:
        variable = self.variable(var)
        if index == len(variable.values):
            return f"({row}[{index}] if {row} is not None else 0)"
        type_, default = variable.values[index], variable.default[index]
        if isinstance(type_, ir.Bits):
            default = int(default) & ((1 << type_.width) - 1)
        shown = self.object(default, lambda: default) if isinstance(default, bytes) else default
        return f"({to_unsigned(f'{row}[{index}]', type_)} if {row} is not None else {shown})"

    def _victim(self, name: str, shape: str, var: str, args: Sequence[str]) -> str:
        each = 1 + len(self.variable(var).keys)
        log = [
            f"({args[at]}, {self.key(var, args[at + 1 : at + each])})"
            for at in range(0, len(args), each)
        ]
        oldest = self.object(name, lambda: oldest_finder(self.variable(var), shape))
        return f"{oldest}({self.rows(var)}, now, {tuple_text(log)})"


def _type_of(kind: str) -> ir.Type:
    """The type that `signature` wrote."""
    match kind:
        case "bool":
            return ir.BOOL
        case "bytes":
            return ir.BYTES
        case _:
            return ir.Bits(int(kind[1:]), signed=kind[0] == "s")
