"""What goes to the data header: byte strings, rulesets, dense constant tables, names of entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nfverify.cythonized.ctypes_of import stored
from nfverify.cythonized.layout import TableLayout
from nfverify.cythonized.operators import Shape, operator_code, shape
from nfverify.cythonized.rulesets import ruleset_code
from nfverify.smat.ir import Apply, Bits, Bytes, Value
from nfverify.smat.ruleset import Ruleset

MAX_DENSE = 1 << 20
_ROW = 16  # numbers on a line


@dataclass(frozen=True, slots=True)
class Dense:
    """A constant table with the keys 0 to rows - 1: an array for each value."""

    name: str
    rows: int

    def array(self, index: int) -> str:
        return f"{self.name}_{index}"


@dataclass(slots=True)
class Resources:
    """Collected while the code is written; each thing once."""

    classifier: bool
    applications: list[Shape] = field(default_factory=list)  # of the user's operators
    header: list[str] = field(default_factory=list)
    externs: list[str] = field(default_factory=list)
    initialisers: list[str] = field(default_factory=list)
    libraries: dict[str, None] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    probes: int = 0  # homes that a packet carries
    memo: list[tuple[str, str]] = field(default_factory=list)  # look-ups of a flow's recording
    defaults: list[bytes] = field(default_factory=list)
    _strings: dict[bytes, str] = field(default_factory=dict)
    _rulesets: dict[Ruleset, str] = field(default_factory=dict)
    _operators: dict[Shape, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    _dense: dict[str, Dense | None] = field(default_factory=dict)
    _once: set[str] = field(default_factory=set)

    def string(self, value: bytes) -> str:
        """The name of an array that holds the bytes."""
        if value not in self._strings:
            name = f"nf_string_{len(self._strings)}"
            self.header.append(array("u8", name, value or b"\0"))
            self.externs.append(f"const u8 {name}[{max(1, len(value))}]")
            self._strings[value] = name
        return self._strings[value]

    def default(self, value: bytes) -> int:
        """The number that a byte string has in every pool: those are put in first, in order."""
        if not value:
            return 0
        if value not in self.defaults:
            self.defaults.append(value)
        return self.defaults.index(value) + 1

    def ruleset(self, ruleset: Ruleset) -> str:
        """The function that says whether a ruleset accepts."""
        if ruleset not in self._rulesets:
            name = f"nf_ruleset_{len(self._rulesets)}"
            code = ruleset_code(ruleset, name, classifier=self.classifier)
            self.header.append(code.header)
            parameters = ", ".join(_COLUMNS[column] for column in ruleset.columns)
            self.externs.append(f"bint {code.function}({parameters}) noexcept")
            self.initialise(f"{code.function}_init")
            self._rulesets[ruleset] = code.function
        return self._rulesets[ruleset]

    def initialise(self, function: str) -> None:
        """`int function(void)` of the header is called for a new state; 0, or -1: no memory."""
        self.externs.append(f"int {function}() noexcept")
        self.initialisers.append(function)

    def operator(self, node: Apply) -> tuple[str, Sequence[int]]:
        """The function of an operator, and which of its arguments are handed over."""
        key = shape(node)
        if key not in self._operators:
            place = self.applications.index(key) if key in self.applications else 0
            code = operator_code(node, f"nf_apply_{len(self._operators)}", place)
            self.header.append(code.header)
            self.externs.append(code.extern)
            if code.initialiser:
                self.initialise(code.initialiser)
            self.libraries.update(dict.fromkeys(code.libraries))
            self._operators[key] = (code.function, tuple(code.arguments))
        return self._operators[key]

    def once(self, text: str) -> None:
        """A part of the header that may be asked for several times."""
        if text not in self._once:
            self._once.add(text)
            self.header.append(text)

    def entry(self, title: str) -> int:
        """The number under which an entry's packets are counted."""
        self.entries.append(title)
        return len(self.entries) - 1

    def dense(self, table: TableLayout) -> Dense | None:
        """The arrays of a constant table whose keys are 0 to n - 1, None for other tables."""
        if table.id not in self._dense:
            self._dense[table.id] = self._arrays(table.id, table)
        return self._dense[table.id]

    def dense_read(self, dense: Dense, index: int, key: str, default: str) -> str:
        """The text of a value of such a table."""
        return f"({dense.array(index)}[{key}] if (<u64>{key}) < {dense.rows}U else {default})"

    def _arrays(self, name: str, table: TableLayout) -> Dense | None:
        variable = table.members[0].variable
        types = variable.keys + variable.values
        if (
            not table.constant
            or len(variable.keys) != 1
            or not variable.entries
            or len(variable.entries) > MAX_DENSE
            or not isinstance(variable.keys[0], Bits)
            or variable.keys[0].width > 64
            or any(isinstance(t, Bytes) for t in types)
        ):
            return None
        rows = sorted(variable.entries)
        if [key for key, _ in rows] != [(number,) for number in range(len(rows))]:
            return None
        dense = Dense(f"nf_dense_{name}", len(rows))
        for index, type_ in enumerate(variable.values):
            ctype = stored(type_)
            self.header.append(array(ctype, dense.array(index), (v[index] for _, v in rows)))
            self.externs.append(f"const {ctype} {dense.array(index)}[{len(rows)}]")
        return dense


_COLUMNS = {
    **dict.fromkeys(("sip", "dip"), "u32"),
    **dict.fromkeys(("sip6", "dip6"), "u128"),
    **dict.fromkeys(("sport", "dport", "iface"), "u16"),
    "proto": "u8",
}


def array(ctype: str, name: str, values: Iterable[Value]) -> str:
    """A constant array of C."""
    numbers = [c_literal(int(v)) for v in values if not isinstance(v, bytes)]
    lines = (", ".join(numbers[i : i + _ROW]) for i in range(0, len(numbers), _ROW))
    body = ",\n    ".join(lines)
    return f"static const {ctype} {name}[{len(numbers)}] = {{\n    {body}\n}};"


def c_literal(number: int) -> str:
    """A number in C, of up to 128 bits."""
    if number >> 64 not in (0, -1):
        number &= (1 << 128) - 1
        return f"((u128){number >> 64:#x}ULL << 64 | {number & (1 << 64) - 1:#x}ULL)"
    return f"{number}ULL" if number >= 0 else f"(i64)({number & (1 << 64) - 1:#x}ULL)"
