"""A counterexample as a pytest file that replays it: it fails until the models do the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.verdict import Counterexample
from nfverify.smat.ir import Network


@dataclass(frozen=True, slots=True)
class Model:
    """One side: how the user named it, what that was, and what a test calls to load it.

    `file` is the path in the name ("" for the library); `absolute` where it was then; `beside` the
    name of a copy in the folder of the test, if the model came by standard input.
    """

    target: str
    network: Network
    file: str = ""
    absolute: str = ""
    beside: str = ""
    state: str | None = None  # the state from which it starts, as JSON

    def expression(self) -> str:
        """Python for what `load` takes."""
        if self.beside:
            inner = self.target.removeprefix("-")
            return f"str(HERE / {self.beside!r})" + (f" + {inner!r}" if inner else "")
        if not self.file:
            return repr(self.target)
        inner = self.target.removeprefix(self.file)
        return f"located({self.file!r}, {self.absolute!r})" + (f" + {inner!r}" if inner else "")


@dataclass(frozen=True, slots=True)
class Setting:
    """How the two sides were compared; `operators` are absolute paths of Python files."""

    a: Model
    b: Model
    options: Options
    operators: tuple[str, ...] = ()

    def pairs(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """(instance, variable) of the states that are compared."""
        if not self.options.observe_state:
            return []
        sides = Side("a", self.a.network), Side("b", self.b.network)
        where = {
            side.qualify(instance.name, variable.name): (instance.name, variable.name)
            for side in sides
            for instance in side.network.instances
            for variable in instance.program.state
        }
        problem = Problem(*sides, self.options, lambda terms: lambda ruleset, args: terms.true)
        return [(where[a], where[b]) for a, b in problem.state_pairs()]


def pytest_file(example: Counterexample, setting: Setting) -> str:
    """The text of the file."""
    differences = "\n".join(f"    {quoted(text)}" for text in example.differences)
    options = f'non_ip="{"drop" if setting.options.drop_non_ip else "bypass"}"'
    imports = ["from nfverify import Machine, load", *_CODEC]
    body = ["def test_both_do_the_same():", *_loading(setting)]
    if setting.operators:
        imports.append("from nfverify.semantics.operators import load_operators")
        body += ["    operators = {}", f"    for file in {setting.operators!r}:"]
        body.append("        operators.update(load_operators(Path(file)))")
        options += ", operators=operators"
    body += [f"    {side} = Machine(network_{side}, {options})" for side in "ab"]
    if setting.a.state is not None:
        imports.append("from nfverify.semantics.state_json import load as load_state")
        for side in "ab":
            body.append(f'    state = (HERE / "state-{side}.json").read_text(encoding="utf-8")')
            body.append(f'    {side}.restore(load_state(network_{side}, state, "{side}"))')
    body.append(_STEPS)
    if setting.options.observe_state:
        body.append(_STATES)
    head = f'"""{_ABOUT}\n\n{differences}\n"""\n\nfrom pathlib import Path\n\n'
    parts = [
        "\n".join([*imports, "", *_constants(example, setting)]),
        LOCATED,
        _COMPARED,
        "\n".join(body),
    ]
    return head + "\n\n\n".join(parts) + "\n"


def _constants(example: Counterexample, setting: Setting) -> Iterator[str]:
    ports = setting.a.network.ports
    yield "HERE = Path(__file__).parent"
    yield f"IGNORED = {setting.options.ignore!r}"
    yield from events_of(example, ports)
    if setting.options.observe_state:
        yield "STATE = [  # (instance, variable) of a, of b"
        yield from (f"    {pair!r}," for pair in setting.pairs())
        yield "]"


def events_of(example: Counterexample, ports: tuple[str, ...]) -> Iterator[str]:
    """The trace as a Python list."""
    yield "EVENTS = [  # time in ns, port, frame"
    for event in example.events:
        number = ports.index(event.port) if event.port in ports else int(event.port)
        yield f"    ({event.time}, {number},"
        text = event.frame.hex()
        chunks = [f'     "{text[i : i + _LINE]}"' for i in range(0, len(text), _LINE)]
        yield "\n".join(chunks or ['     ""']) + "),"
    yield "]"


def _loading(setting: Setting) -> Iterator[str]:
    yield f"    network_a = load({setting.a.expression()})"
    yield f"    network_b = load({setting.b.expression()}, ports=network_a.ports)"


def quoted(text: str) -> str:
    """Text that may stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"', "'")


_LINE = 88
_ABOUT = """\
Two models must do the same with these packets: a counterexample of `nfverify equiv`.

It fails until they do. What differed when it was written:"""
_CODEC = (
    "from nfverify.packet.codec import Malformed, parse",
    "from nfverify.packet.fields import FIELDS",
)
LOCATED = """\
def located(path, before):
    # The model where it was named, else where it was when this was written.
    return path if Path(path).exists() else before"""
_COMPARED = """\
def fields(frame):
    # What is compared of a packet.
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return frame
    wire = [name for name, info in FIELDS.items() if info.on_wire and name not in IGNORED]
    return {name: getattr(packet, name) for name in wire}


def seen(outputs):
    return [(out.time, out.port, fields(out.frame)) for out in outputs]"""
_STEPS = """\
    for number, (time, port, frame) in enumerate(EVENTS, 1):
        frame = bytes.fromhex(frame)
        out_a, out_b = a.step(time, port, frame), b.step(time, port, frame)
        assert seen(out_a) == seen(out_b), f"packet {number}\""""
_STATES = """\
        state_a, state_b = a.snapshot(), b.snapshot()
        for (nf_a, variable_a), (nf_b, variable_b) in STATE:
            assert state_a[nf_a][variable_a] == state_b[nf_b][variable_b], f"packet {number}\""""
