"""`nfverify run`: captures in, captures, state and trace out; nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ir_build import arp, udp

from nfverify.cli.main import main
from nfverify.packet.pcap import Writer, read

COUNTER = """
program counter {
    int n = 0;
    entry tick { match_flow { f[dport] == 5 } action_state { n = n + 1; } action_flow { drop; } }
    entry other { action_state { n = n + 1; } action_flow { f[dport] = n; } }
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


def capture(path, *packets, nanosecond=False):
    with path.open("wb") as stream:
        writer = Writer(stream, nanosecond)
        for packet in packets:
            writer.write(*packet)
    return str(path)


def records(path):
    with read(path) as found:
        return [tuple(record) for record in found]


@pytest.fixture
def model(tmp_path):
    def write(text):
        path = tmp_path / "model.nfd"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("engine", ["closures", "walk"])
@pytest.mark.parametrize("nanosecond", [False, True])
def test_output_has_the_resolution_of_the_input(tmp_path, model, engine, nanosecond):
    source = capture(
        tmp_path / "in.pcap", (1_000, udp()), (2_345, udp(dport=5)), (9_999, udp()),
        nanosecond=nanosecond,
    )  # fmt: skip
    out = str(tmp_path / "out.pcap")
    assert main(["run", model(COUNTER), source, "-o", out, "--engine", engine]) == 0
    last = 9_999 if nanosecond else 9_000
    assert [(t, int.from_bytes(f[36:38], "big")) for t, f, _ in records(out)] == [
        (1_000, 1),
        (last, 3),
    ]
    with read(out) as found:
        assert found.nanosecond == nanosecond


def test_frames_cut_by_the_snap_length_keep_their_original_length(tmp_path, model):
    frame = udp(payload=b"x" * 50)
    source = capture(tmp_path / "in.pcap", (0, frame[:60], len(frame)), (1_000, udp()))
    out = str(tmp_path / "out.pcap")
    assert main(["run", model(LATER), source, "-o", out, "--until", "+1s"]) == 0
    assert [(t, f, n) for t, f, n in records(out)] == [
        (5_000_000, frame[:60], len(frame)),
        (5_001_000, udp(), len(udp())),
    ]


@pytest.mark.parametrize(
    ("until", "times"), [("4ms", []), ("5ms", [5]), ("+5ms", [5, 6]), ("6000000", [5, 6])]
)
def test_time_goes_on_until(tmp_path, model, until, times):
    source = capture(tmp_path / "in.pcap", (0, udp()), (1_000_000, udp()))
    out = str(tmp_path / "out.pcap")
    assert main(["run", model(LATER), source, "-o", out, "--until", until]) == 0
    assert [t // 1_000_000 for t, _, _ in records(out)] == times


def test_several_ports_are_merged_by_time_and_split_by_port(tmp_path, model):
    net = capture(tmp_path / "net.pcap", (1_000, udp(dport=80)), (3_000, udp()))
    web = capture(tmp_path / "web.pcap", (2_000, udp(sport=80)))
    files = {name: str(tmp_path / f"{name}-out.pcap") for name in ("net", "web", "rest", "all")}
    arguments = ["run", model(SPLIT), "--in", f"net={net}", "--in", f"web={web}"]
    for name in ("net", "web", "rest"):
        arguments += ["--out", f"{name}={files[name]}"]
    assert main([*arguments, "-o", files["all"]]) == 0
    times = {name: [t for t, _, _ in records(file)] for name, file in files.items()}
    assert times == {
        "net": [2_000], "web": [1_000, 3_000], "rest": [3_000],
        "all": [1_000, 2_000, 3_000, 3_000],
    }  # fmt: skip


def test_a_run_in_two_halves_is_the_run_in_one(tmp_path, model):
    packets = [(1_000_000 * k, udp(dport=5 + k % 3)) for k in range(40)]
    nf = model(COUNTER + LATER + "chain both = later -> counter;")
    whole = capture(tmp_path / "whole.pcap", *packets)
    halves = [capture(tmp_path / f"{k}.pcap", *packets[20 * k :][:20]) for k in (0, 1)]
    outs = [str(tmp_path / f"out{k}.pcap") for k in range(3)]
    states = [str(tmp_path / f"{k}.json") for k in range(3)]
    run = ["run", f"{nf}:both", "--state"]
    assert main([*run, states[0], whole, "-o", outs[0]]) == 0
    assert main([*run, states[1], halves[0], "-o", outs[1]]) == 0
    assert main([*run, states[2], halves[1], "-o", outs[2], "--from", states[1]]) == 0
    assert records(outs[0]) == records(outs[1]) + records(outs[2])
    assert Path(states[0]).read_text() == Path(states[2]).read_text()
    assert json.loads(Path(states[0]).read_text())["instances"]["later"] == {}


def test_the_trace(tmp_path, model, capsys):
    source = capture(tmp_path / "in.pcap", (0, udp(dport=5)), (1_000, arp()), (2_000, b"x"),
                     (12_000_000, udp()))  # fmt: skip
    assert main(["run", model(COUNTER), source, "--trace", "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "packet 1 at 0.000000000 by 0: 10.0.0.1:1000 > 10.0.0.2:5 udp, 47 bytes",
        "  counter: tick -> drop",
        "    n 0 -> 1",
        "  nothing comes out",
        "packet 2 at 0.000001000 by 0: ethertype 0x0806, 42 bytes",
        "  out by 1: ethertype 0x0806, 42 bytes",
        "packet 3 at 0.000002000 by 0: malformed (shorter than an Ethernet header)",
        "  nothing comes out",
        "packet 4 at 0.012000000 by 0: 10.0.0.1:1000 > 10.0.0.2:2000 udp, 47 bytes",
        "  counter: other: dport 2000 -> 2",
        "    n 1 -> 2",
        "  out by 1: 10.0.0.1:1000 > 10.0.0.2:2 udp, 47 bytes",
    ]


def test_the_trace_of_timers(tmp_path, model, capsys):
    source = capture(tmp_path / "in.pcap", (0, udp()), (7_000_000, udp()))
    assert main(["run", model(LATER), source, "--trace", "--quiet", "--until", "10ms"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "packet 1 at 0.000000000 by 0: 10.0.0.1:1000 > 10.0.0.2:2000 udp, 47 bytes",
        "  later: hold: HELD 0 -> 1 -> again in 5000000 ns",
        "  nothing comes out",
        "timer at 0.005000000: later: no entry",
        "  out by 1: 10.0.0.1:1000 > 10.0.0.2:2000 udp, 47 bytes",
        "packet 2 at 0.007000000 by 0: 10.0.0.1:1000 > 10.0.0.2:2000 udp, 47 bytes",
        "  later: hold: HELD 0 -> 1 -> again in 5000000 ns",
        "  nothing comes out",
        "timer at 0.010000000: later: tick -> again in 10000000 ns",
    ]


def test_non_ip_drop(tmp_path, model, capsys):
    source = capture(tmp_path / "in.pcap", (0, arp()), (0, udp()))
    assert main(["run", model(COUNTER), source, "--non-ip", "drop"]) == 0
    assert capsys.readouterr().err == "2 packets in, 1 out; non_ip 1\n"


def test_operators_are_loaded_only_when_named(tmp_path, model, capsys):
    nf = model("""
        op scramble(int) -> int;
        program p { entry { action_flow { f[dport] = scramble(f[sport]); } } }
    """)
    source, out = capture(tmp_path / "in.pcap", (0, udp(sport=3))), str(tmp_path / "out.pcap")
    ops = tmp_path / "model.py"
    ops.write_text("def scramble(x):\n    return x * 7\n")
    assert main(["run", nf, source, "-o", out]) == 2
    assert "operator scramble has no Python function" in capsys.readouterr().err
    assert not os.path.exists(out)
    assert main(["run", nf, source, "-o", out, "--ops", str(ops)]) == 0
    assert int.from_bytes(records(out)[0][1][36:38], "big") == 21


# What goes wrong --------------------------------------------------------------------------


def test_a_broken_capture_keeps_what_was_before_it(tmp_path, model, capsys):
    path = tmp_path / "in.pcap"
    source = capture(path, (0, udp()), (1_000, udp()))
    path.write_bytes(path.read_bytes()[:-1])
    out, state = str(tmp_path / "out.pcap"), str(tmp_path / "s.json")
    assert main(["run", model(COUNTER), source, "-o", out, "--state", state]) == 2
    assert len(records(out)) == 1
    assert json.loads(Path(state).read_text())["instances"]["counter"]["n"] == 1
    error = capsys.readouterr().err
    assert "the file ends inside a packet" in error
    assert "its outputs are written" in error


def test_no_capture_at_all_leaves_no_output(tmp_path, model, capsys):
    (tmp_path / "in.pcap").write_text("no capture")
    out = tmp_path / "out.pcap"
    assert main(["run", model(COUNTER), str(tmp_path / "in.pcap"), "-o", str(out)]) == 2
    assert "not a capture" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.pcap", "model.nfd"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no packets: name IN.pcap or --in PORT=FILE"),
        (["in.pcap", "--until", "soon"], "--until 'soon' is no time"),
        (["in.pcap", "--until", "9999999999s"], "times are below 2^62 ns"),
        (["--in", "in.pcap"], "'in.pcap' is not PORT=FILE"),
        (["--in", "7=in.pcap"], "counter has no port '7'; it has 0, 1"),
        (["in.pcap", "-o", "-", "--state", "-"], "standard output is used twice"),
        (["in.pcap", "-o", "-", "--trace"], "standard output is used twice"),
        (["-", "--in", "1=-"], "standard input is named twice"),
        (["in.pcap", "-o", "x.pcap", "--state", "./x.pcap"], "x.pcap would be written twice"),
        (["absent.pcap"], "absent.pcap: No such file"),
        (["in.pcap", "--from", "absent.json"], "absent.json: No such file"),
        (["in.pcap", "--from", "model.nfd"], "model.nfd:2:1: error: not JSON"),
        (["in.pcap", "--from", "in.pcap"], "in.pcap: byte 0: not UTF-8"),
        (["in.pcap", "-o", "no/folder.pcap"], "no/folder.pcap: No such file"),
        (["in.pcap", "--ops", "absent.py"], "not a Python file"),
    ],
)
def test_wrong_arguments(tmp_path, model, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    capture(tmp_path / "in.pcap", (0, udp()))
    model(COUNTER)
    assert main(["run", "model.nfd", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.pcap", "model.nfd"]


IDLE = """
program idle {
    map<port, int> seen timeout 5s max 2 evict oldest;
    set<port> few max 1;
    entry { action_state {
        choose x in 7..9 where x != f[dport];
        seen[f[dport]] = seen[f[dport]] + x; few = few | {f[dport]}; touch seen[7];
    } }
}
"""


@pytest.mark.parametrize("engine", ["closures", "walk"])
def test_state_of_maps_that_forget_goes_out_and_in_again(tmp_path, model, engine, capsys):
    nf, second = model(IDLE), 10**9
    source = capture(
        tmp_path / "in.pcap", *((t * second, udp(dport=d)) for t, d in ((0, 7), (1, 8), (2, 9)))
    )
    state, again = tmp_path / "s.json", tmp_path / "again.json"
    assert main(["run", nf, source, "--state", str(state), "--engine", engine, "--trace"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[12:] == [
        "packet 3 at 2.000000000 by 0: 10.0.0.1:1000 > 10.0.0.2:9 udp, 47 bytes",
        "  idle: line 5",
        "    seen[8] 7 -> absent",
        "    seen[9] absent -> 7",
        "    few[9] = absent",
        "    seen[7] = 8",
        "  out by 1: 10.0.0.1:1000 > 10.0.0.2:9 udp, 47 bytes",
    ]
    found = json.loads(state.read_text())["instances"]["idle"]
    assert found == {"seen": [[9, 7, 2 * second], [7, 8, 2 * second]], "few": [[7, 0]]}
    later = capture(tmp_path / "later.pcap", (7 * second, udp(dport=8)))
    start = ["--from", str(state), "--engine", engine]
    assert main(["run", nf, later, *start, "--state", str(again)]) == 0
    found = json.loads(again.read_text())["instances"]["idle"]
    assert found == {"seen": [[8, 7, 7 * second]], "few": [[7, 0]]}


COMMAND = [sys.executable, "-m", "nfverify", "run"]


def test_standard_input_and_output(tmp_path, model):
    capture(tmp_path / "in.pcap", (0, udp()), (0, udp()))
    done = subprocess.run(
        [*COMMAND, model(COUNTER), "-", "-o", "-"],
        input=(tmp_path / "in.pcap").read_bytes(),
        capture_output=True,
        check=True,
    )
    (tmp_path / "out.pcap").write_bytes(done.stdout)
    assert len(records(str(tmp_path / "out.pcap"))) == 2
    assert done.stderr == b"2 packets in, 2 out\n"


def test_a_pipe_as_output_stays_a_pipe(tmp_path, model):
    source = capture(tmp_path / "in.pcap", (0, udp()))
    assert main(["run", model(COUNTER), source, "-o", "/dev/null", "-q"]) == 0
    assert not os.path.isfile("/dev/null")


def test_ctrl_c_leaves_the_old_file_and_nothing_else(tmp_path, model):
    out = tmp_path / "out.pcap"
    out.write_bytes(b"precious")
    os.mkfifo(tmp_path / "in.pcap")
    process = subprocess.Popen(
        [*COMMAND, model(COUNTER), str(tmp_path / "in.pcap"), "-o", str(out)],
        stderr=subprocess.PIPE,
    )
    with (tmp_path / "in.pcap").open("wb") as stream:
        writer = Writer(stream, nanosecond=False)
        for _ in range(3000):
            writer.write(0, udp())
        stream.flush()
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob(".out.pcap*"))) == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert out.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.pcap", "model.nfd", "out.pcap"]


def test_a_time_that_no_pcap_can_hold_is_an_error(tmp_path, model, capsys):
    source = capture(tmp_path / "in.pcap", (((1 << 32) - 1) * 10**9 + 999_000_000, udp()))
    out = tmp_path / "out.pcap"
    assert main(["run", model(LATER), source, "-o", str(out), "--until", "+1s"]) == 2
    assert "can't hold the time" in capsys.readouterr().err
    assert not out.exists()
