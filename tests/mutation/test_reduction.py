"""Networks that are taken for the same: what is left out of them must show nowhere."""

from random import Random

import pytest

from nfverify.equivalence.prove import same_model
from nfverify.oracles.mutation.constancy import reduced
from nfverify.oracles.mutation.mutants import mutants
from nfverify.oracles.mutation.projection import observable
from nfverify.oracles.programs.networks import random_network
from nfverify.oracles.traffic import Traffic
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.smat import ir
from nfverify.smat.load import load, load_text


def core(network: ir.Network) -> ir.Network:
    return observable(reduced(network))


def agree(network: ir.Network, seed: int, events: int) -> None:
    """The core behaves as the whole."""
    whole, part = Machine(network), Machine(core(network))
    traffic = Traffic(network, Random(seed))
    for number in range(events):
        event = traffic.event()
        try:
            expected = whole.step(*event)
        except RunawayError:
            with pytest.raises(RunawayError):
                part.step(*event)
            return
        assert part.step(*event) == expected, (network.name, seed, number)
        traffic.saw(expected)


@pytest.mark.parametrize("name", ["dns-amplification", "napt", "syn-flood", "edge"])
def test_the_core_of_a_model_and_of_its_mutants_behaves_as_the_whole(name: str) -> None:
    network = load(f"lib:{name}")
    agree(network, 1, 2000)
    for mutant in list(mutants(network))[::9]:
        agree(mutant.network, mutant.number, 120)


@pytest.mark.parametrize("seed", range(60))
def test_the_core_of_random_networks_behaves_as_the_whole(seed: int) -> None:
    agree(random_network(Random(seed)), seed, 60)


def test_state_that_no_output_depends_on_goes() -> None:
    assert not core(load("lib:monitor")).instances[0].program.state


def test_frames_that_are_not_ip_enter_the_core_of_what_they_enter() -> None:
    """Even if all that reads their addresses is state that nothing depends on."""
    text = "program x { set<MAC> s; entry { action_state { s = s | {f[smac]}; } "
    network = load_text(text + "action_flow { drop; } } }")
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    assert Machine(network).step(0, 0, arp) == Machine(core(network)).step(0, 0, arp) == []


COUNTED = "int n; entry e {{ match_state {{ n < 5 }} {0} action_flow {{ drop; }} }}"
READER = "entry g { match_state { f[sport] in s } action_flow { drop; } }"
PAIR = (
    "set<(port, port)> s; entry g {{ match_state {{ (f[sport], {0}) in s }}"
    " action_flow {{ drop; }} }} entry e {{ action_state {{ s = s | {{(f[dport], {1})}}; }} }}"
)  # fmt: skip


def writer(guard: str, key: str, action: str = "") -> str:
    return (
        f"set<port> s; entry e {{ match_flow {{ {guard} }} {action}"
        f" action_state {{ s = s | {{{key}}}; }} }} {READER}"
    )


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("int n; entry e { action_state { n = n + 1; } }", "entry e { }", True),
        (COUNTED.format("action_state { n = n + 1; }"), COUNTED.format(""), False),
        # Behind the guard the field is the constant; after a write it is not.
        (writer("f[dport] == 5", "f[dport]"), writer("f[dport] == 5", "5"), True),
        (
            writer("f[dport] == 5", "f[dport]", "action_flow { f[dport] = f[sport]; }"),
            writer("f[dport] == 5", "5", "action_flow { f[dport] = f[sport]; }"),
            False,
        ),
        # An alternative makes nothing certain, a negation neither.
        (writer("f[dport] == 5 || f[ttl] == 1", "f[dport]"),
         writer("f[dport] == 5 || f[ttl] == 1", "5"), False),
        (writer("!(f[dport] == 5)", "f[dport]"), writer("!(f[dport] == 5)", "5"), False),
        # A part of the key that is one constant everywhere, or not everywhere.
        (PAIR.format(1, 1), PAIR.format(2, 2), True),
        (PAIR.format(1, 1), PAIR.format(2, 1), False),
    ],
)  # fmt: skip
def test_what_is_taken_for_the_same(a: str, b: str, same: bool) -> None:
    first, second = (load_text(f"program p {{ {text} }}") for text in (a, b))
    assert same_model(core(first), core(second)) is same
