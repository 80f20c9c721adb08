"""The network that live tests run in: what is sent arrives, and nothing is left, even if killed."""

import os
import signal
import subprocess
import sys
import time
from random import Random

import hostile_frames
import namespaces
from namespaces import FAR, TAGS, Namespace, carried
from platforms import needs

pytestmark = needs("namespaces")
ECHO = """
import socket, sys
near = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
near.setsockopt(263, 23, 1)
near.bind((sys.argv[1], 3))
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    near.send(near.recv(1 << 16))
"""
KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from namespaces import Namespace
lab = Namespace(("p0", "p1"))
import subprocess
child = subprocess.Popen(lab.command("sleep", "600"))
print(lab._holder.pid, child.pid, flush=True)
sys.stdin.read()
"""


def test_frames_come_and_go_whole() -> None:
    """Without tags, which such an echo loses."""
    rng = Random(1)
    frames = [hostile_frames.frame(rng) for _ in range(4000)]
    frames = [f for f in frames if carried(f, 9000) and f[12:14] not in TAGS]
    with Namespace(("p0", "p1"), mtu=9000) as lab:
        assert lab.run("ip", "-o", "link", "show", "type", "veth").count("mtu 9000") == 4
        command = lab.command(sys.executable, "-c", ECHO, "p0", str(len(frames)))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as echo:
            assert echo.stdout is not None
            assert echo.stdout.readline() == "ready\n"
            wire, other = lab.wire("p0"), lab.wire("p1")
            wire.listen()
            other.listen()
            for at in range(0, len(frames), 32):  # no more at once than a slow echo keeps
                wire.send(frames[at : at + 32], pause=0)
                wire.wait(min(at + 32, len(frames)))
            came, others = wire.frames[:], other.frames[:]
            echo.kill()
        assert came == frames
        assert others == []


def test_tags_are_put_back() -> None:
    tags = (b"\x81\0", b"\x88\xa8", b"\x81\0\0\1\x81\0")
    rest = b"\x08\x06" + bytes(46)
    frames = [bytes(12) + tag + bytes((k, k)) + rest for k in range(30) for tag in tags]
    with Namespace(("p0",)) as lab:
        here = lab.wire("p0")
        here.listen()
        there = lab.inside(lambda: namespaces._raw("p0"))
        with there:
            for frame in frames:
                there.send(frame)
        assert here.wait(len(frames)) == frames


def test_nothing_is_left_of_a_killed_test() -> None:
    helpers = os.path.dirname(namespaces.__file__)
    command = [sys.executable, "-c", KILLED, helpers]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as test:
        assert test.stdout is not None
        holder, child = map(int, test.stdout.readline().split())
        test.send_signal(signal.SIGKILL)
    limit = time.monotonic() + 20
    for pid in (holder, child):
        while _runs(pid) and time.monotonic() < limit:
            time.sleep(0.02)
        assert not _runs(pid)


def test_interfaces_end_with_the_namespace() -> None:
    with Namespace(("p0",)) as lab:
        assert f"p0{FAR}" in lab.run("ip", "-br", "link")
        assert set(lab.run("ls", "/sys/class/net").split()) == {"lo", "p0", f"p0{FAR}"}
        proc = lab.proc
    assert not proc.exists()


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
