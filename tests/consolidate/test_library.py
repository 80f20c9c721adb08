"""The library's chains, and others of its NFs: their tables do what they do, and are small."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest

from nfverify.equivalence.consolidate import consolidate
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

Compare = Callable[..., object]


def chain_of(*names: str) -> ir.Network:
    library = files("nfverify.models")
    models = [library.joinpath(f"{n}.nfd").read_text() for n in dict.fromkeys(names)]
    chain = " -> ".join(n.replace("-", "_") for n in names)
    return load_text("\n".join(models) + f"\nchain main = {chain};\n")


def table_of(program: ir.Program) -> ir.Table:
    (only,) = program.body
    assert isinstance(only, ir.Table)
    return only


@pytest.mark.parametrize(("name", "rows"), [("edge", 32), ("inspect", 4), ("lb-blacklist", 6)])
def test_chains_of_the_library(name: str, rows: int, compare: Compare) -> None:
    net = load(f"lib:{name}")
    merged = consolidate(net)
    assert len(table_of(merged).entries) == rows
    assert compare(net, merged, packets=3000) is None


def test_names_tell_the_way() -> None:
    merged = consolidate(load("lib:edge"))
    names = [e.name for e in table_of(merged).entries]
    assert names[0] == "napt_untranslatable"
    assert "napt_out_new__lb_new__monitor_count__firewall_allowed" in names
    assert [v.name for v in merged.state if not v.keys] == ["napt_next", "lb_turn"]


@pytest.mark.parametrize(
    "names",
    [
        ("rate-limiter", "rate-limiter"),
        ("syn-flood", "rate-limiter", "napt", "monitor"),
        ("firewall-stateful", "maglev", "udp-flood", "heavy-hitter"),
        ("dns-amplification", "napt", "lb", "monitor", "firewall", "ids", "super-spreader"),
        ("napt", "napt"),
    ],
)
def test_other_chains(names: tuple[str, ...], compare: Compare) -> None:
    net = chain_of(*names)
    assert compare(net, consolidate(net), packets=2000) is None


def test_ciphers(compare: Compare) -> None:
    pytest.importorskip("cryptography")
    net = chain_of("encrypt", "ids", "decrypt")
    assert compare(net, consolidate(net)) is None
