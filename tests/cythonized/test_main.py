"""Programs without Python: what they write and say is what `nfverify run` does."""

import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest
from hostile_frames import frame
from ir_build import arp, udp
from sharing import shared

from nfverify.cli.main import main
from nfverify.packet.pcap import Writer, read

COUNTER = """
program counter {
    int n = 0;
    map<IP, int> seen;
    entry tick { match_flow { f[dport] == 5 } action_state { n = n + 1; } action_flow { drop; } }
    entry other {
        action_state { n = n + 1; seen[f[sip]] = seen[f[sip]] + 1; }
        action_flow { f[dport] = n; }
    }
}
"""
SPLIT = """
program split {
    iface net, web, rest;
    entry { match_flow { f[iface] == net && f[dport] == 80 } action_flow { f[output] = web; } }
    entry { match_flow { f[iface] == net } action_flow { f[output] = {rest, web}; } }
    entry { action_flow { f[output] = net; } }
}
"""
LATER = """
program later {
    init { f_dmy[TICK] = 1; f_dmy[output] = timer(10ms); }
    entry tick { match_flow { f[TICK] == 1 } action_flow { f[output] = timer(10ms); } }
    entry hold { match_flow { f[HELD] == 0 } action_flow { f[HELD] = 1; f[output] = timer(5ms); } }
}
"""


MODELS = {"counter": COUNTER, "split": SPLIT, "later": LATER}


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Each model as (its file, the program built of it under sanitizers)."""
    folder = shared(tmp_path_factory, "programs", sanitized)
    return {name: (str(folder / f"{name}.nfd"), str(folder / name)) for name in MODELS}


def sanitized(folder):
    for name, text in MODELS.items():
        model = folder / f"{name}.nfd"
        model.write_text(text)
        command = ["build", str(model), "--emit", "exe", "--sanitize", "-o", str(folder), "--quiet"]
        assert main(command) == 0


def capture(path, *packets, nanosecond=False):
    with path.open("wb") as stream:
        writer = Writer(stream, nanosecond)
        for packet in packets:
            writer.write(*packet)
    return str(path)


def execute(program, *arguments, **options):
    return subprocess.run(
        [program, *arguments], capture_output=True, check=False, timeout=60, **options
    )


@pytest.fixture
def agree(programs, tmp_path, capfd):
    """Runs the program and the reference: the same code, words, and files, by the names in the
    arguments that begin with `@`."""

    def run(name, *arguments):
        model, program = programs[name]
        codes, said, files = [], [], []
        for folder, start in (("program", [program]), ("reference", ["run", model])):
            (tmp_path / folder).mkdir(exist_ok=True)
            given = [a.replace("@", f"{tmp_path / folder}/") for a in arguments]
            if folder == "program":
                done = execute(*start, *given)
                codes.append(done.returncode)
                said.append(done.stderr.decode().replace(f"{name}: error", "nfverify: error"))
            else:
                codes.append(main([*start, *given]))
                said.append(capfd.readouterr().err)
            found = sorted((tmp_path / folder).iterdir())
            files.append({path.name: path.read_bytes() for path in found})
        assert said[0] == said[1]
        assert codes[0] == codes[1]
        assert files[0] == files[1]
        return codes[0], said[0], files[0]

    return run


@pytest.mark.parametrize("nanosecond", [False, True])
@pytest.mark.parametrize("name", ["counter", "later"])
def test_hostile_traffic(agree, tmp_path, name, nanosecond):
    rng, now, packets = Random(1), 1_000, []
    for _ in range(3_000):
        now = max(0, now + rng.choice((0, 1_000, 2_345, 70_000, -3_000)))
        whole = frame(rng)
        packets.append((now, whole, len(whole) + rng.choice((0, 0, 0, 9))))
    source = capture(tmp_path / "in.pcap", *packets, nanosecond=nanosecond)
    code, said, files = agree(name, source, "-o", "@o.pcap", "--state", "@s.json")
    assert code == 0
    assert "malformed" in said
    assert len(files["o.pcap"]) > 10_000
    agree(name, source, "-o@p.pcap", "--non-ip=drop", "--until", "+5s", "--state", "@s.json")


def test_several_ports(agree, tmp_path):
    net = capture(tmp_path / "n.pcap", (1_000, udp(dport=80)), (3_000, udp()), (3_000, arp()))
    web = capture(tmp_path / "w.pcap", (2_000, udp(sport=80)), (3_000, udp()), nanosecond=True)
    named = [f"--out={name}=@{name}.pcap" for name in ("net", "web", "rest")]
    agree("split", "--in", f"web={web}", f"--in=net={net}", *named, "-o", "@all.pcap")
    agree("split", net, "--in", f"web={web}", "--out", "rest=@r.pcap", "--out", "net=@n.pcap")
    agree("split", "--in", f"web={web}", "-o", "@all.pcap")


def test_pcapng_and_no_output(agree, tmp_path):
    from scapy.layers.l2 import Ether
    from scapy.utils import PcapNgWriter  # which writes what our writer doesn't

    source = str(tmp_path / "in.pcapng")
    with PcapNgWriter(source) as writer:
        for k in range(5):
            writer.write(Ether(udp(dport=5 + k % 2)))
    assert agree("counter", source)[1] == "5 packets in, 2 out\n"
    agree("counter", source, "-o", "@o.pcap")


def test_a_state_goes_on(agree, programs, tmp_path):
    packets = [(1_000_000 * k, udp(dport=5 + k % 3, sport=k)) for k in range(40)]
    whole = capture(tmp_path / "whole.pcap", *packets)
    halves = [capture(tmp_path / f"{k}.pcap", *packets[20 * k :][:20]) for k in (0, 1)]
    for name in ("counter", "later"):
        model, program = programs[name]
        paths = {
            k: str(tmp_path / f"{name}{k}") for k in ("s.bin", "a", "b", "c", "x.json", "y.json")
        }
        first = execute(program, halves[0], "-o", paths["a"], "--state", paths["s.bin"])
        second = execute(program, halves[1], "-o", paths["b"], "--from", paths["s.bin"],
                         "--state", paths["x.json"])  # fmt: skip
        assert first.returncode == second.returncode == 0, (first, second)
        assert main(["run", model, whole, "-o", paths["c"], "--state", paths["y.json"]]) == 0
        both = [[tuple(r) for r in read(paths[k])] for k in "abc"]
        assert both[0] + both[1] == both[2]
        assert Path(paths["x.json"]).read_text() == Path(paths["y.json"]).read_text()
        third = execute(program, halves[0], "--from", paths["x.json"])
        assert third.returncode == 2
        assert b"not a state in the binary form" in third.stderr
        Path(paths["a"]).write_bytes(Path(paths["s.bin"]).read_bytes()[:-1])
        fourth = execute(program, halves[0], "--from", paths["a"])
        assert b"not a state of this network" in fourth.stderr


# What goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["counter", "later"])
@pytest.mark.parametrize("cut", [1, 50, 103, 10_000])
def test_a_broken_capture_keeps_what_was_before_it(agree, tmp_path, name, cut):
    path = tmp_path / "in.pcap"
    source = capture(path, *((1_000 * k, udp(sport=k)) for k in range(9_000)))
    path.write_bytes(path.read_bytes()[:-cut])
    code, said, files = agree(name, source, "-o", "@o.pcap", "--state", "@s.json")
    assert code == 2
    assert "What was before it was run, and its outputs are written." in said
    assert len(files["o.pcap"]) > 1_000 or name == "later"


def test_merging_ends_where_a_capture_breaks_off(agree, tmp_path):
    good = capture(tmp_path / "good.pcap", *((1_000 * k, udp(sport=k)) for k in range(9)))
    bad = tmp_path / "bad.pcap"
    capture(bad, *((2_000 * k, udp(sport=k)) for k in range(9)))
    for cut in (1, 60, 200, len(bad.read_bytes()) - 30):
        other = tmp_path / f"bad{cut}.pcap"
        other.write_bytes(bad.read_bytes()[:-cut])
        for inputs in ((good, other), (other, good)):
            named = [f"--in={port}={file}" for port, file in zip("01", inputs, strict=True)]
            assert agree("counter", *named, "-o", "@o.pcap")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("--in", "0"), ("--in", "7=x"), ("--until", "soon", "@x"), ("@none.pcap",),
        ("IN", "-o", "@no/such/folder/x.pcap"), ("IN", "--until", "9999999h"),
        ("IN", "--until", "+4611686018427387904"), ("IN", "-o", "@a", "--out", "0=@a"),
        ("IN", "-o", "@a", "--state", "@./a"), ("-", "--in", "1=-"), ("IN", "-o", "-", "--state=-"),
        ("TEXT",), ("TEXT", "-o", "@o.pcap"),
    ],
)  # fmt: skip
def test_complaints(programs, tmp_path, capfd, arguments):
    """Exit 2, one line, nothing written; most of it in the words of `nfverify run`."""
    model, program = programs["counter"]
    source = capture(tmp_path / "in.pcap", (0, udp()), (1_000, udp()))
    (tmp_path / "text").write_text("no capture")
    (tmp_path / "out").mkdir()
    fixed = {"IN": source, "TEXT": str(tmp_path / "text")}
    given = [fixed.get(a, a.replace("@", f"{tmp_path}/out/")) for a in arguments]
    done = execute(program, *given, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    said = done.stderr.decode()
    assert said.count("\n") == 1
    assert not list((tmp_path / "out").iterdir())
    assert main(["run", model, *given]) == 2
    reference = capfd.readouterr().err
    same = said.replace("counter: error: ", "nfverify: error: ") == reference
    assert same or "no port" in said or "twice" in said, (said, reference)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--nope", "1"), "there is no option --nope"), (("--nope",), "there is no option --nope"),
        (("x", "y"), "only one IN.pcap"), (("--non-ip", "maybe", "x"), "bypass or drop"),
        (("-o",), "needs a value"),
    ],
)  # fmt: skip
def test_wrong_options(programs, arguments, message):
    done = execute(programs["counter"][1], *arguments)
    assert (done.returncode, message in done.stderr.decode()) == (2, True)


def test_help(programs):
    done = execute(programs["split"][1], "--help")
    assert done.returncode == 0
    assert b"Ports: net web rest" in done.stdout


def test_pipes(programs, tmp_path):
    packets = [(1_000 * k, udp(sport=k)) for k in range(5_000)]
    source = Path(capture(tmp_path / "in.pcap", *packets)).read_bytes()
    program = programs["counter"][1]
    piped = execute(program, "-", "-o", "-", "--quiet", input=source)
    assert piped.returncode == 0
    filed = tmp_path / "out.pcap"
    assert execute(program, str(tmp_path / "in.pcap"), "-o", str(filed)).returncode == 0
    assert piped.stdout == filed.read_bytes()
    assert execute(program, "-", "-o", "/dev/null", input=source).returncode == 0
    assert execute(program, "-", "-o", "/dev/full", input=source).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_nothing_is_left(programs, tmp_path, number):
    """While it waits for more of a capture that comes by a pipe."""
    reader, writer = os.pipe()
    old = tmp_path / "out.pcap"
    old.write_text("old")
    process = subprocess.Popen(
        [programs["counter"][1], "-", "-o", str(old)], stdin=reader, stderr=subprocess.PIPE
    )
    os.close(reader)
    data = Path(capture(tmp_path / "in.pcap", *((k, udp()) for k in range(9)))).read_bytes()
    os.write(writer, data)
    part = f".out.pcap.{process.pid}.part"
    end = time.monotonic() + 30
    while not (tmp_path / part).exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    os.close(writer)
    assert process.stderr is not None
    process.stderr.close()
    assert old.read_text() == "old"
    assert not (tmp_path / part).exists()
