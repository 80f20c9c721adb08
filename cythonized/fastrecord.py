"""How a flow is recorded: the class, its values, where its entries stand, and what outdates it.

Each entry of the chain's tables is looked up once, whatever conditions and values need it, and
each condition is tested once: the classes are told apart by a tree of tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nfverify.cythonized import access
from nfverify.cythonized.body import Body, Cursor, Keys
from nfverify.cythonized.ctypes_of import variable
from nfverify.cythonized.fastcodes import IMAGE
from nfverify.cythonized.fastlayout import ClassLayout, FastLayout
from nfverify.cythonized.fastpaths import fast_body, fast_function
from nfverify.cythonized.fold import expression as folded
from nfverify.cythonized.function import INDENT, Function
from nfverify.cythonized.layout import Plain, TableLayout
from nfverify.cythonized.names import comment
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import Resources
from nfverify.cythonized.tables import TableCode
from nfverify.fastpath.plan import Class
from nfverify.packet.fields import FIELDS
from nfverify.smat.ir import FALSE, TRUE, And, Bits, Compare, Expr, Local, Not, walk

MAX_TESTS = 4096  # nodes of the tree; classes beyond are not recorded
_SIGNATURE = "(State* S, nf_head* h, fast_memo* m) noexcept nogil:"


@dataclass(slots=True)
class Recording:
    """The functions that record, and the look-ups that they share."""

    plan: Plan
    layout: FastLayout
    resources: Resources
    parts: list[str] = field(default_factory=list)
    _finds: dict[tuple[str, Keys], int] = field(default_factory=dict)
    _tests: dict[Expr, int] = field(default_factory=dict)
    _nodes: int = 0

    def text(self) -> str:
        """All functions."""
        choose = self._choose()
        fills = [self._fill(c) for c in self.layout.classes]
        return "\n\n".join([*self.parts, choose, *fills, self._draft(), self._file()])

    def _body(self, function: Function) -> Body:
        body = fast_body(self.plan, self.layout, self.resources, function)
        body.shared = self._find
        return body

    def _find(self, body: Body, table: TableLayout, keys: Keys) -> Cursor:
        code = TableCode.of(table)
        if any(isinstance(node, Local) for node in walk(keys)):
            key = access.pack(body, table, keys)
            access.hash_key(body, table, key)
            pointer = body.temporary(f"{code.value}*", "e", code.find(key))
            return Cursor(pointer, key, hashed=True)
        at = (table.id, keys)
        if at not in self._finds:
            self._finds[at] = number = len(self._finds)
            self.resources.memo.append((f"{code.value}*", f"e_{number}"))
            self._write_find(number, table, keys)
        call = f"fast_find_{self._finds[at]}(S, h, m)"
        return Cursor(body.temporary(f"{code.value}*", "e", call), "", hashed=False)

    def _write_find(self, number: int, table: TableLayout, keys: Keys) -> None:
        code = TableCode.of(table)
        function = fast_function(f"cdef {code.value}* fast_find_{number}{_SIGNATURE}")
        body = self._body(function)
        word, bit = f"m.have[{number // 64}]", f"{1 << number % 64:#x}ULL"
        with function.block(f"if not {word} & {bit}:"):
            key = access.pack(body, table, keys)
            access.hash_key(body, table, key)
            body.emit(f"m.e_{number} = {code.find(key)}", f"{word} |= {bit}")
        body.emit(f"return m.e_{number}")
        self.parts.append(function.text())

    # Which class ----------------------------------------------------------------------------

    def _choose(self) -> str:
        function = Function(f"cdef u32 fast_choose{_SIGNATURE}")
        left = [(c.number, _literals(c.plan)) for c in self.layout.classes]
        self._tree(function, left, {})
        return function.text()

    def _tree(
        self,
        function: Function,
        left: list[tuple[int, tuple[tuple[Expr, bool], ...]]],
        known: dict[Expr, bool],
    ) -> None:
        """The first of the classes that holds; they are numbers with (test, wanted)."""
        while True:
            left = [
                (number, literals)
                for number, literals in left
                if all(known.get(test, wanted) == wanted for test, wanted in literals)
            ]
            if not left or self._nodes >= MAX_TESTS:
                function.emit("return 0")
                return
            number, literals = left[0]
            test = next((t for t, _ in literals if t not in known), None)
            if test is None:
                function.emit(f"return {number}")
                return
            self._nodes += 1
            with function.block(f"if {self._test(test)}:"):
                self._tree(function, left, {**known, test: True})
            known = {**known, test: False}

    def _test(self, test: Expr) -> str:
        if test not in self._tests:
            self._tests[test] = number = len(self._tests)
            function = fast_function(f"cdef bint fast_test_{number}{_SIGNATURE}")
            body = self._body(function)
            body.emit(f"return {body.value(test)}")
            self.parts.append(function.text())
        return f"fast_test_{self._tests[test]}(S, h, m)"

    # What it holds --------------------------------------------------------------------------

    def _fill(self, c: ClassLayout) -> str:
        """The record of a class; `watch` gets the events that outdate it."""
        function = fast_function(
            f"cdef void fast_fill_{c.number}("
            f"State* S, nf_head* h, fast_memo* m, {c.code.struct}* r, u64* watch) noexcept nogil:"
        )
        body = self._body(function)
        body.emit(f"# {comment(c.plan.name)}")
        for value in c.plan.values:
            type_ = value.expr.type
            text = body.value(folded(value.expr))
            body.locals[value.name] = body.temporary(variable(type_), value.name, text)
        body.emit(f"r.head.number = {c.code.number}")
        goes_out = int(any(path.outputs for path in c.draft.paths))
        body.emit(f"r.head.more = nf_more({goes_out}, h.b)")
        if c.draft.image:
            self._image(body, c)
        for name, of in c.draft.values.items():
            body.locals[name] = body.locals[of]
            text = access.kept(body.locals[of], c.code.values[name].type)
            body.emit(f"r.{name} = {text}")
        for number, (table, keys) in enumerate(c.code.hints):
            self._hint(body, number, table, keys)
        for number in range(len(c.code.hints), self.layout.hints):
            body.emit(f"r.hint[{number}] = <u8*>S")
        for number, watch in enumerate(c.plan.watches):
            self._watch(body, number, watch.var, tuple(map(folded, watch.keys)))
        return function.text()

    def _image(self, body: Body, c: ClassLayout) -> None:
        old = {"sip": "<u32>h.a", "dip": "<u32>(h.a >> 32)"}
        old |= {"sport": "<u16>h.b", "dport": "<u16>(h.b >> 16)"}
        for name, value in c.draft.image.items():
            width = FIELDS[name].width
            text = body.temporary(f"u{width}", name, body.value(folded(value)))
            body.emit(f"r.image.{name} = nf_swap{width}({text})")
            body.locals[f"@{name}"] = text
        body.emit("r.image.rest = nf_image_rest(h.b)")
        for total, names in (("ip", ("sip", "dip")), ("l4", IMAGE)):
            terms = [
                f"nf_delta{FIELDS[name].width}({old[name]}, r.image.{name})"
                for name in names
                if name in c.draft.summed
            ]
            if terms:
                body.emit(f"r.head.{total} = <u16>nf_fold({' + '.join(terms)})")

    def _hint(self, body: Body, number: int, table_id: str, keys: Keys) -> None:
        table = next(t for t in self.layout.whole.tables if t.id == table_id)
        cursor = access.find(body, table, tuple(map(folded, keys)))
        body.emit(f"r.hint[{number}] = nf_hint({cursor.pointer}, {table.key.words}, S)")

    def _watch(self, body: Body, number: int, var: str, keys: Keys) -> None:
        event = self.layout.events[var]
        if event is None:  # any change outdates all records
            body.emit(f"watch[{number}] = 0")
            return
        home = body.instance.home(var)
        if isinstance(home, Plain):
            body.emit(f"watch[{number}] = nf_event_of({event}, 0)")
            return
        key = access.pack(body, home[0], keys)
        access.hash_key(body, home[0], key)
        body.emit(f"watch[{number}] = nf_event_of({event}, {key}.hash)")

    # The record -----------------------------------------------------------------------------

    def _draft(self) -> str:
        """What would be recorded now; its class is 0 if there is none."""
        lines = [
            "cdef u32 fast_draft(State* S, nf_head* h, nf_mat_head* d, u64* watch) noexcept nogil:",
            f"{INDENT}# The record of the flow in the present state, of class 0 if it has none:",
            f"{INDENT}# how many watches it has.",
            f"{INDENT}cdef fast_memo m",
            f"{INDENT}cdef u32 number",
            f"{INDENT}memset(&m, 0, sizeof(m))",
            f"{INDENT}number = fast_choose(S, h, &m)",
            f"{INDENT}memset(d, 0, {self.layout.slot - 16})",
        ]
        for place, c in enumerate(self.layout.classes):
            lines.append(f"{INDENT}{'elif' if place else 'if'} number == {c.number}:")
            lines.append(f"{INDENT * 2}fast_fill_{c.number}(S, h, &m, <{c.code.struct}*>d, watch)")
            lines.append(f"{INDENT * 2}return {len(c.plan.watches)}")
        return "\n".join([*lines, f"{INDENT}return 0"]) + "\n"

    def _file(self) -> str:
        slot = self.layout.slot
        head = "State* S, const u64* key, u64 hash, const nf_mat_head* d, const u64* watch"
        return f"""cdef void fast_file({head}, u32 n) noexcept nogil:
    # The record takes its flow's place; of class 0: the flow has none.
    cdef nf_mat_head* r = nf_mat_find(&S.mat, key, hash, {slot})
    cdef u32 i
    if d.number == 0:  # no code
        if r != NULL:
            nf_mat_remove(&S.mat, key, hash, {slot})
        return
    if r != NULL and nf_mat_serves(&S.mat, r) and nf_same_record(r, d, {self.layout.bytes}):
        return
    r = nf_mat_put(&S.mat, key, hash, {slot})
    if r == NULL:
        return
    nf_fill_record(r, d, {slot - 16})
    for i in range(n):
        if not nf_mat_watch(&S.mat, watch[i], hash):
            return
    nf_mat_live(&S.mat, r)
"""


def _literals(class_: Class) -> tuple[tuple[Expr, bool], ...]:
    """The class's conditions as tests that are wanted to be true or false."""
    found: dict[Expr, bool] = {}
    for condition in class_.condition:
        for test, wanted in _parted(folded(condition), True):
            if found.get(test, wanted) != wanted:
                return ((TRUE, False),)
            found[test] = wanted
    return tuple(found.items())


def _parted(node: Expr, wanted: bool) -> list[tuple[Expr, bool]]:
    """A condition as conjuncts without a negation; `a <= b` is the negation of `b < a`."""
    match node:
        case Not(operand=operand):
            return _parted(operand, not wanted)
        case And(operands=operands) if wanted:
            return [part for operand in operands for part in _parted(operand, True)]
        case Compare(op="!=", left=left, right=right):
            return [(Compare("==", left, right), not wanted)]
        case Compare(op="<=", left=left, right=right) if isinstance(left.type, Bits):
            return [(Compare("<", right, left), not wanted)]
    if node in (TRUE, FALSE):
        return [] if (node == TRUE) == wanted else [(TRUE, False)]
    return [(node, wanted)]
