"""Programs under test, written for the tests that run them, with nothing of nfverify."""

import sys
import textwrap
from pathlib import Path

HEAD = """
import sys, time
def ask():
    for number, line in enumerate(sys.stdin):
        time_, port, frame = line.split()
        yield number, int(time_), int(port), bytes.fromhex(frame.replace("-", ""))
def say(*pairs):
    print(" ".join(f"{ports} {frame.hex() or '-'}" for ports, frame in pairs), flush=True)
"""
# A NAT as in `NAT` below, that takes the first of FREE.
NAT_PROGRAM = """
sys.path.insert(0, BUGS)
from nf import Malformed, Packet
def total(b):
    n = sum(int.from_bytes((b + bytes(1))[i:i + 2], "big") for i in range(0, len(b), 2))
    while n >> 16: n = (n & 0xFFFF) + (n >> 16)
    return n
def mend(p, at, old, new, udp):
    if udp and not p.word(at): return
    n = total((0xFFFF - p.word(at)).to_bytes(2, "big") + bytes(x ^ 255 for x in old) + new)
    p.data[at:at + 2] = (0xFFFF - n or (0xFFFF if udp else 0)).to_bytes(2, "big")
def put(p, at, ip, port_at, port):
    old, port = bytes(p.data[at:at + 4]), port.to_bytes(2, "big")
    mend(p, p.ip + 10, old, ip, False)
    mend(p, p.l4 + 6, old + bytes(p.data[port_at:port_at + 2]), ip + port, True)
    p.data[at:at + 4], p.data[port_at:port_at + 2] = ip, port
PUB, mapping, inside = bytes((203, 0, 113, 7)), {}, {}
for n, now, port, frame in ask():
    try:
        p = Packet(frame)
    except Malformed:
        say(); continue
    if not p.version:
        say((1 - port, frame)); continue
    if p.proto != 17 or p.l4 is None or p.fragment or p.version == 6:
        say(); continue
    source, target = bytes(p.data[p.ip + 12:p.ip + 16]), bytes(p.data[p.ip + 16:p.ip + 20])
    if source[0] == 10:
        key = source, p.ports[0]
        if key not in mapping:
            free = FREE
            if not free:
                say(); continue
            mapping[key] = free[0]
            inside[free[0]] = key
        put(p, p.ip + 12, PUB, p.l4, mapping[key])
        say((1 - port, p.data))
    elif target == PUB and p.ports[1] in inside:
        ip, to = inside[p.ports[1]]
        put(p, p.ip + 16, ip, p.l4 + 2, to)
        say((1 - port, p.data))
    else:
        say()
""".replace("BUGS", repr(str(Path(__file__).parents[1] / "bugs")))
NAT = """
program nat {{
    rule LAN = sip:10.0.0.0/8;
    IP pub = 203.0.113.7;
    int next = 1024;
    int given = 0;
    map<(IP, int), int> mapping;
    map<int, (IP, int)> inside;
    entry other {{
        match_flow   {{ f[UDP] == 0 || f[L4] == 0 || f[FRAG] == 1 }}
        action_flow  {{ drop; }}
    }}
    entry out_known {{
        match_flow   {{ f matches LAN }}
        match_state  {{ (f[sip], f[sport]) in mapping }}
        action_flow  {{ let p = mapping[(f[sip], f[sport])]; f[sip] = pub; f[sport] = p; }}
    }}
    entry out_new {{
        match_flow   {{ f matches LAN }}
        match_state  {{ given < {room} }}
        action_flow  {{
            {take}
            given = given + 1;
            let s = f[sip];
            let q = f[sport];
            mapping[(s, q)] = p;
            inside[p] = (s, q);
            f[sip] = pub;
            f[sport] = p;
        }}
    }}
    entry out_full {{ match_flow {{ f matches LAN }} action_flow {{ drop; }} }}
    entry in_known {{
        match_flow   {{ f[dip] == pub }}
        match_state  {{ f[dport] in inside }}
        action_flow  {{ let h = inside[f[dport]]; f[dip] = h[0]; f[dport] = h[1]; }}
    }}
    entry in_unknown {{ action_flow {{ drop; }} }}
}}
"""
ANY = "choose p in 1024..1026 where !(p in inside);"  # room for 3
UPWARDS = "let p = next; next = next + 1;"
DOWNWARDS = "let p = 2000 - next; next = next + 1;"
FORWARD = "program forward { entry all { action_flow { pass; } } }\n"


def program(folder: Path, body: str, name: str = "nf.py") -> str:
    """The command line of a program in Python, which begins with `ask` and `say`."""
    path = folder / name
    path.write_text(HEAD + textwrap.dedent(body), encoding="utf-8")
    return f"{sys.executable} -S -E {path}"
