"""Equality up to the names that a NAT gives, and what a program may choose."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tested_programs import ANY, DOWNWARDS, NAT, NAT_PROGRAM, UPWARDS

from nfverify.oracles.campaign import Campaign
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.differential import Contest, Divergence, stepping
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import Reference, reference
from nfverify.oracles.renaming import OneToOne, own_addresses
from nfverify.oracles.tester import Options, examine
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load_text

RENAMING = Comparison.of(["renaming"])
TAKEN = NAT.format(take=UPWARDS, room=10)


def knowing(contest: Contest) -> Contest:
    """With the names of addresses learned."""
    campaign = Campaign(contest.network, contest.judge, 0)
    traces = [campaign.trace(number) for number in range(3)]
    (other,) = contest.others
    own = own_addresses(contest.judge, stepping(other), traces, contest.comparison)
    return replace(contest, own={other.name: own})


def parted(one: str, other: str, comparison: Comparison = RENAMING) -> Divergence | None:
    """The first difference in 12 traces of the one model against the other."""
    network = load_text(one)
    judge = reference(network, Setting())
    right = Reference(Machine(load_text(other)), "right")
    contest = knowing(Contest(network, judge, (right,), comparison))
    for number in range(14):
        found = contest.run(Campaign(network, judge, 7).trace(number))
        if found is not None:
            return found
    return None


def test_one_to_one() -> None:
    names = OneToOne()
    assert names.relate(1, 2)
    assert names.relate(1, 2)
    assert not names.relate(1, 3)
    assert not names.relate(3, 2)
    assert names.of(1) == 2
    assert names.of(2) == 1  # whoever is called 2 on this side, isn't so on the other
    assert names.of(5) == 5


def test_ports_in_another_order() -> None:
    other = NAT.format(take=DOWNWARDS, room=10)
    assert parted(TAKEN, other, Comparison()) is not None
    assert parted(TAKEN, other) is None


def test_another_public_address() -> None:
    other = TAKEN.replace("203.0.113.7", "203.0.113.9")
    assert parted(TAKEN, other, Comparison()) is not None
    assert parted(TAKEN, other) is None


def test_the_library_s_napt() -> None:
    """Identifiers of echo requests are names, too."""
    napt = (Path(__file__).parents[2] / "models/napt.nfd").read_text()
    other = napt.replace("next = 1024", "next = 5000").replace("<= 65535", "<= 69511")
    assert parted(napt, other.replace("203.0.113.7", "198.51.100.1")) is None
    wrong = other.replace("f[icmp_id] = next;", "f[icmp_id] = 77;")
    assert wrong != other
    assert parted(napt, wrong) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # one port for two ends
        ("next = next + 1;", "next = next + (next == 1024 ? 1 : 0);"),
        # what comes back goes to another host
        ("f[dip] = h[0];", "f[dip] = h[0] + 1;"),
        ("f[dport] = h[1];", "f[dport] = h[1] + 1;"),
        # a new port each time
        ("{ (f[sip], f[sport]) in mapping }", "{ false }"),
        # a header that no NAT has to do with
        ("f[sip] = pub;", "f[sip] = pub; f[tos] = 4;"),
        ("f[sip] = pub;", "f[sip] = pub; f[dip] = 9.9.9.9;"),
        ("f[sip] = pub;", "f[sip] = pub; f[dport] = f[dport] + 1;"),
        ("given < 10", "given < 9"),
        ("f[dport] in inside", "true"),
    ],
)
def test_what_no_renaming_explains(old: str, new: str) -> None:
    wrong = TAKEN.replace(old, new)
    assert wrong != TAKEN
    assert parted(TAKEN, wrong) is not None


def test_wrong_checksums_show() -> None:
    """Other names have other checksums; they must be right."""
    network = load_text(TAKEN)
    judge = reference(network, Setting())
    other = Reference(Machine(load_text(NAT.format(take=DOWNWARDS, room=10))), "right")

    class Careless:
        name = "careless"

        def run(self, trace):  # type: ignore[no-untyped-def]
            raise NotImplementedError  # its packets depend on its answers

        def start(self) -> "Careless":
            self.session = other.start()
            return self

        def step(self, event):  # type: ignore[no-untyped-def]
            out = self.session.step(event)
            spoilt = [o._replace(frame=o.frame[:24] + b"\1\1" + o.frame[26:]) for o in out]
            return tuple(spoilt)

        def close(self) -> None:
            self.session.close()

    contest = Contest(network, judge, (Careless(),), RENAMING)  # type: ignore[arg-type]
    assert contest.run(Campaign(network, judge, 7).trace(1)) is not None


# Choices ----------------------------------------------------------------------------------

FREE = {
    "upwards": "[p for p in range(1024, 1027) if p not in inside]",
    "downwards": "[p for p in range(1026, 1023, -1) if p not in inside]",
}
WRONG = {
    "outside the range": "[1023]",
    "used already": "[1024 + len(inside) // 2 % 3]",
}


def chosen(program: Callable[[str], str], free: str) -> Options:
    text = program(NAT_PROGRAM.replace("FREE", free))
    return Options(engines=("reference",), against=text, examples=450)


@pytest.mark.parametrize("name", FREE)
def test_what_the_model_allows(program: Callable[[str], str], name: str) -> None:
    result = examine(load_text(NAT.format(take=ANY, room=3)), chosen(program, FREE[name]))
    assert result.finding is None
    assert not result.unsettled
    assert result.packets == 450


@pytest.mark.parametrize("name", WRONG)
def test_what_the_model_does_not_allow(program: Callable[[str], str], name: str) -> None:
    result = examine(load_text(NAT.format(take=ANY, room=3)), chosen(program, WRONG[name]))
    assert result.finding is not None
    assert result.finding.divergence.kind == "not allowed"
    needed = {"outside the range": 1, "used already": 2}
    assert len(result.finding.divergence.trace) <= needed[name] + 2
