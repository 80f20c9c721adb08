"""The C side of states: every type and layout, waiting packets, hostile bytes, no memory."""

import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hostile_frames import frame
from ir_build import F, chain, delay, i, program
from state_layout import describe

from nfverify.lang.source import ModelError
from nfverify.oracles.programs.networks import random_network
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.pcap import CutFrame
from nfverify.semantics import state_json
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.semantics.state import SavedState, Timer
from nfverify.semantics.state_binary import dump, load
from nfverify.smat import ir

DRIVER = Path(__file__).parent / "c" / "state_driver.c"
TYPES = (
    ir.BOOL, ir.BYTES, ir.INT, ir.IP, ir.IP6, ir.MAC, ir.TIME, ir.PORT,
    *(ir.Bits(w, s) for w in (1, 2, 5, 8, 12, 16, 17, 33, 63, 64, 65, 128) for s in (False, True)),
)  # fmt: skip
FRAMES = tuple(
    f for seed in range(300) if not isinstance(parse(f := frame(Random(seed))), Malformed)
)
NAMES = ("n", "größe", '"\\\n\t\x01', "𝔘", "a b")


@pytest.fixture
def driver(compile_c, tmp_path):
    """Runs commands on a network: pairs of a command and a file's name, or bytes for it."""
    binary = compile_c(DRIVER, flags=("-O1",))

    def run(rng, network, *commands):
        description = tmp_path / "network.txt"
        description.write_text(describe(rng, network))
        arguments = [str(binary), str(description)]
        for number, (command, given) in enumerate(commands):
            name = given if isinstance(given, str) else f"{number}.in"
            if isinstance(given, bytes):
                (tmp_path / name).write_bytes(given)
            arguments += [command, name if command == "start" else str(tmp_path / name)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        assert not done.stderr
        return done.stdout.split()

    return run


def value(rng, type_, *, first=False):
    match type_:
        case ir.Bool():
            return rng.random() < 0.5
        case ir.Bytes():
            return b"" if first else rng.randbytes(rng.choice((0, 1, 3, 300)))
        case ir.Bits():
            chosen = (0, 1, -1, 1 << type_.width - 1, rng.getrandbits(128), 1 << 53, 53 << 80)
            return ir.wrap(rng.choice(chosen), type_)


def row(rng, types, *, first=False):
    return tuple(value(rng, type_, first=first) for type_ in types)


def network_of_types(rng):
    """Two instances with variables of any types, some with the same keys, some aged."""
    names = list(NAMES)
    rng.shuffle(names)
    state, last = [], ()
    for name in names[: rng.randrange(1, 6)]:
        keys = tuple(rng.choices(TYPES, k=rng.randrange(4)))
        keys = last if last and rng.random() < 0.5 else keys
        last = keys
        values = tuple(rng.choices(TYPES, k=rng.randrange(0 if keys else 1, 4)))
        kind = "plain" if not keys else "map" if values else "set"
        entries = {row(rng, keys): row(rng, values) for _ in range(3)} if keys else {}
        default = row(rng, values, first=True)
        variable = ir.StateVar(name, keys, values, default, kind, tuple(entries.items()))
        if keys and rng.random() < 0.4:
            aged = {"timeout": rng.choice((None, 50)), "capacity": rng.choice((7, 100))}
            variable = replace(variable, overflow="evict oldest", **aged)
        state.append(variable)
    return chain(*[program(state=tuple(state))] * 2)


def state_of(rng, network):
    now = rng.choice((None, 0, (1 << 62) - 1, 1_700_000_000_123_456_789))
    instances = {}
    for instance in network.instances:
        known = instances[instance.name] = {}
        for variable in instance.program.state:
            if rng.random() < 0.1:
                continue
            count = rng.choice((0, 1, 3, 7, 7, 7, 40)) if variable.keys else 1
            if variable.aged:
                count = min(count, variable.capacity)
            stamps = sorted(max(0, (now or 0) - rng.randrange(60)) for _ in range(count))
            found = {row(rng, variable.keys): row(rng, variable.values) for _ in range(count)}
            if variable.aged:
                pairs = zip(found.items(), stamps, strict=False)
                found = {key: (*values, stamp) for (key, values), stamp in pairs}
            known[variable.name] = found
    return SavedState(now, instances)


def settled(network, state):
    """As a machine that goes on from it saves it: nothing expired, everything mentioned."""
    return Machine(network, state=state).save()


@pytest.mark.parametrize("seed", range(30))
def test_every_type_comes_back(driver, tmp_path, seed):
    rng = Random(seed)
    network = network_of_types(rng)
    state = state_of(rng, network)
    expected = settled(network, state)
    before = dump(network, settled(network, state_of(rng, network)))
    out = driver(
        rng, network, ("load", before), ("load", dump(network, state)), ("mark", ""),
        ("save", "after"), ("json", "json"),
    )  # fmt: skip
    assert out == ["0", "0"]
    back = load(network, (tmp_path / "after").read_bytes(), "after")
    assert back == expected
    assert dump(network, back) == dump(network, expected)  # of aged ones the order too
    assert (tmp_path / "json").read_text() == state_json.dump(network, expected)


@pytest.mark.parametrize("seed", range(10))
def test_a_new_state_is_the_machine_s(driver, tmp_path, seed):
    rng = Random(seed)
    network = network_of_types(rng)
    driver(rng, network, ("save", "new"), ("json", "json"), ("start", "77"), ("save", "started"))
    expected = Machine(network).save()
    assert load(network, (tmp_path / "new").read_bytes(), "new") == expected
    assert (tmp_path / "json").read_text() == state_json.dump(network, expected)
    machine = Machine(network)
    machine.step(77, 0, b"")
    assert load(network, (tmp_path / "started").read_bytes(), "started") == machine.save()


def outcomes(data):
    """What the driver's `many` wrote: (error, the state saved after it)."""
    found, at = [], 0
    while at < len(data):
        error, length = struct.unpack_from("<iI", data, at)
        found.append((error, data[at + 8 : at + 8 + length]))
        at += 8 + length
    return found


def hostile(rng, data):
    """All truncations of the bytes, or as many as are bearable, and changed bytes."""
    cuts = range(len(data)) if len(data) < 150 else sorted(rng.sample(range(len(data)), 150))
    yield from (data[:n] for n in cuts)
    yield data + b"\0"
    for _ in range(250):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 3))):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield bytes(changed)
    for _ in range(50):
        at, n = rng.randrange(len(data)), rng.choice((1, 4, 8))
        yield data[:at] + rng.choice((b"\xff", b"\0")) * n + data[at + n :]


def judged(network, data):
    """The reference's verdict: the state that it goes on from, or None."""
    try:
        return settled(network, load(network, data, "s"))
    except ModelError:
        return None


def agree(driver, tmp_path, rng, network, data):
    tries = list(hostile(rng, data))
    driver(rng, network, ("many", b"".join(struct.pack("<I", len(t)) + t for t in tries)))
    found = outcomes((tmp_path / "0.in.out").read_bytes())
    accepted = 0
    for tried, (error, after) in zip(tries, found, strict=True):
        expected = judged(network, tried)
        assert (error == 0) == (expected is not None)
        assert error in (0, -5)
        if expected is not None:
            accepted += 1
            assert dump(network, load(network, after, "after")) == dump(network, expected)
    return accepted


@pytest.mark.parametrize("seed", range(10))
def test_hostile_bytes_are_judged_as_by_the_reference(driver, tmp_path, seed):
    rng = Random(seed)
    network = network_of_types(rng)
    agree(driver, tmp_path, rng, network, dump(network, state_of(rng, network)))


@pytest.mark.parametrize("seed", range(6))
def test_without_memory_the_state_stays(driver, seed):
    rng = Random(seed)
    network = network_of_types(rng)
    before, after = (dump(network, state_of(rng, network)) for _ in range(2))
    driver(rng, network, ("load", before), ("starve", after))


# Waiting packets --------------------------------------------------------------------------


def network_with_fields(rng):
    """Writes some fields and tags, so that its waiting packets hold them."""
    names = [n for n, f in FIELDS.items() if f.writable and rng.random() < 0.5]
    body = [ir.SetField(name, F(name)) for name in names]
    body += [ir.SetTag(tag, i(1)) for tag in rng.sample(NAMES, rng.randrange(4))]
    return chain(program(*body, delay(5)), program(), program(*body[:3]))


def waiting(rng, network):
    """Timers of any packets, with any of the fields changed."""
    nodes = [n for i in network.instances for n in ir.walk(i.program.body)]
    written = sorted({n.name for n in nodes if isinstance(n, ir.SetField)})
    tags = len({n.name for n in nodes if isinstance(n, ir.SetTag)})
    found = []
    for number in range(rng.randrange(6)):
        packet = Packet() if rng.random() < 0.2 else parse(rng.choice(FRAMES))
        packet.iface = rng.randrange(2) if packet.bits else 0
        if packet.bits and rng.random() < 0.3:
            packet.frame = CutFrame(packet.frame)
            packet.frame.original_length = len(packet.frame) + 7
        for name in written:
            field = FIELDS[name]
            if packet.bits & field.headers.value and rng.random() < 0.5:
                size = len(packet.payload)
                new = rng.randbytes(size) if name == "payload" else rng.getrandbits(field.width)
                setattr(packet, name, new)
        due = rng.choice((1_000, 1_000, 5_000, 1 << 64, (1 << 65) - 1))
        numbers = [rng.choice((0, 1, -1, -(2**31))) for _ in range(tags)]
        found.append(Timer(due, number, rng.randrange(3), packet, numbers))
    return SavedState(1_000, {}, tuple(found))


@pytest.mark.parametrize("seed", range(40))
def test_waiting_packets_come_back(driver, tmp_path, seed):
    rng = Random(seed)
    network = network_with_fields(rng)
    before, state = (dump(network, waiting(rng, network)) for _ in range(2))
    driver(rng, network, ("load", before), ("load", state), ("save", "after"), ("json", "json"))
    assert (tmp_path / "after").read_bytes() == dump(network, load(network, state, "s"))
    assert (tmp_path / "json").read_text() == state_json.dump(network, load(network, state, "s"))


@pytest.mark.parametrize("seed", range(6))
def test_hostile_waiting_packets_are_judged_as_by_the_reference(driver, tmp_path, seed):
    rng = Random(seed)
    network = network_with_fields(rng)
    agree(driver, tmp_path, rng, network, dump(network, waiting(rng, network)))


def test_without_memory_what_waits_stays(driver):
    rng = Random(1)
    network = network_with_fields(rng)
    before, after = (dump(network, waiting(rng, network)) for _ in range(2))
    driver(rng, network, ("load", before), ("starve", after))


@pytest.mark.parametrize("seed", range(25))
def test_what_runs_reach_comes_back(driver, tmp_path, seed):
    rng = Random(seed)
    network = random_network(rng)
    machine = Machine(network)
    try:
        for step in range(8):
            machine.step(60 * step, rng.randrange(3), rng.choice(FRAMES))
    except RunawayError:
        return
    state = machine.save()
    driver(rng, network, ("load", dump(network, state)), ("save", "after"), ("json", "json"))
    back = load(network, (tmp_path / "after").read_bytes(), "after")
    assert dump(network, back) == dump(network, state)
    assert (tmp_path / "json").read_text() == state_json.dump(network, state)
