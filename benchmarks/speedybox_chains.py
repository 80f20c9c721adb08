"""The chains and the traffic of SpeedyBox's experiments (its section VII), as models and frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from nfverify.cythonized.bench import Traffic
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.host import compile as compile_
from nfverify.equivalence.fastpath.derive import derive
from nfverify.oracles.wire import wire
from nfverify.smat.ir import Network
from nfverify.smat.load import load

EXAMPLES = Path(__file__).parents[1] / "examples" / "speedybox"
RULES = 20
CONTENTS = (b"", b"hello world", b"GET /etc/passwd", b"login: root", b"healthcheck", b"run cmd.exe")
SYN, ACK, FIN = 2, 16, 1


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain three times: function by function, each parsing; as one; with its fast path."""

    name: str
    apart: Sequence[NetworkFunction]
    fused: NetworkFunction
    fast: NetworkFunction
    classes: int

    def ways(self) -> dict[str, Sequence[NetworkFunction]]:
        """What is measured, in the order of the tables."""
        return {"apart": self.apart, "fused": (self.fused,), "fast": (self.fast,)}


def chain_of(name: str, network: Network, parts: Sequence[Network]) -> Chain:
    """A network and its NFs, built."""
    plan = derive(network)
    apart = [compile_(part) for part in parts]
    fast = compile_(network, fastpath=plan)
    return Chain(name, apart, compile_(network), fast, len(plan.classes))


def filters(folder: Path, count: int, dropping: bool = False) -> Chain:
    """IPFilters, each with a list of its own that our traffic passes; the last one may drop it.
    Their text is written into a folder."""
    rng = Random(1)
    programs = [_filter(number, rng, dropping and number + 1 == count) for number in range(count)]
    names = [f"filter{number}" for number in range(count)]
    path = folder / f"filters{count}{'d' * dropping}.nfd"
    path.write_text("\n".join([*programs, f"chain filters = {' -> '.join(names)};"]))
    parts = [load(f"{path}:{name}") for name in names]
    label = f"{count} IPFilter{'s' if count > 1 else ''}{', the last drops' if dropping else ''}"
    return chain_of(label, load(f"{path}:filters") if count > 1 else parts[0], parts)


def _filter(number: int, rng: Random, dropping: bool) -> str:
    def prefix(length: int) -> str:
        return f"{rng.randrange(20, 100)}.{rng.randrange(256)}.0.0/{length}"

    rules = [
        f"rule R{i} = sip:{prefix(24)}, dip:{prefix(16)}, proto:tcp;" for i in range(RULES - 1)
    ]
    last = "sip:10.0.0.0/8, proto:tcp" if dropping else "sip:101.0.0.0/8, proto:tcp"
    rules.append(f"rule R{RULES - 1} = {last};")
    listed = ", ".join(f"R{i}" for i in range(RULES))
    return f"""program filter{number} {{
        {" ".join(rules)}
        ruleset ACL = {{{listed}}};
        entry {{ match_flow {{ f matches ACL }} action_flow {{ drop; }} }}
        entry {{ action_flow {{ pass; }} }}
    }}"""


def overwriting(folder: Path) -> Chain:
    """Two functions that write one field (the paper's section II)."""
    programs = [
        f"program write{n} {{ entry {{ action_flow {{ f[dip] = 172.16.0.{n}; }} }} }}"
        for n in (1, 2)
    ]
    path = folder / "overwriting.nfd"
    path.write_text("\n".join([*programs, "chain both = write1 -> write2;"]))
    parts = [load(f"{path}:write{n}") for n in (1, 2)]
    return chain_of("a field written twice", load(f"{path}:both"), parts)


def example(name: str, chain: str, functions: Sequence[str]) -> Chain:
    """A chain of the folder of examples."""
    parts = [load(f"{EXAMPLES / function}.nfd") for function in functions]
    return chain_of(name, load(f"{EXAMPLES / chain}.nfd:{chain}"), parts)


# Traffic --------------------------------------------------------------------------------------


def frame(flow: int, flags: int = ACK, payload: bytes = b"", dip: int = 0xC6336401) -> bytes:
    """A TCP packet of a flow from inside to the service."""
    return wire(
        {
            "sip": 0x0A000001 + flow % 60_000,
            "dip": dip,
            "sport": 1024 + flow // 60_000 * 7 % 60_000,
            "dport": 80,
            "proto": 6,
            "flag_syn": flags >> 1 & 1,
            "flag_ack": flags >> 4 & 1,
            "flag_fin": flags & 1,
            "payload": payload,
        }
    )


def uniform(flows: int, packets: int, payload: bytes = b"0123456789") -> Traffic:
    """Packets of 64 bytes, at first one of each flow, then of flows at random."""
    rng = Random(2)
    each = [frame(flow, payload=payload) for flow in range(flows)]
    more = rng.choices(each, k=max(0, packets - flows))
    return Traffic(each[:packets] + more, [0] * packets)


def heavy_tailed(flows: int) -> tuple[Traffic, list[int]]:
    """Flows of a data centre's sizes (most have under ten packets, few most of the packets; Benson
    et al., IMC 2010), from SYN to FIN, a few dozen at a time; and the flow of each packet."""
    rng = Random(3)
    sizes = [min(2000, 2 + int(1.5 * rng.paretovariate(0.9))) for _ in range(flows)]
    open_: list[list[int]] = []
    frames: list[bytes] = []
    owners: list[int] = []
    following = iter(range(flows))
    while True:
        while len(open_) < 40 and (flow := next(following, None)) is not None:
            open_.append([flow, 0])
        if not open_:
            break
        entry = rng.choice(open_)
        flow, number = entry
        flags = SYN if number == 0 else ACK | FIN if number + 1 == sizes[flow] else ACK
        content = rng.choice(CONTENTS) if number else b""
        frames.append(frame(flow, flags, content.ljust(10, b".")))
        owners.append(flow)
        entry[1] += 1
        if entry[1] == sizes[flow]:
            open_.remove(entry)
    return Traffic(frames, [0] * len(frames)), owners
