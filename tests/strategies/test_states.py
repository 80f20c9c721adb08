"""States to begin from."""

import pytest
from hypothesis import find, given, settings

from nfverify import load, load_text
from nfverify.oracles.trace import Trace
from nfverify.semantics.machine import Machine
from nfverify.semantics.state import SavedState
from nfverify.smat import ir
from nfverify.strategies import states, traces

AGED = load_text("""
program p {
    map<IP, int> m timeout 1s max 2;
    set<(IP, port)> s;
    int count<sip> = 3;
    bool flag = false;
    every 10ms { flag = !flag; }
    entry {
        match_state  { f[sip] in m || (f[dip], f[dport]) in s || count > 4 }
        action_state { m[f[sip]] = 1; s = s | {(f[sip], f[sport])}; count = count + 1; }
    }
}
""")
MODELS = {"napt": load("lib:napt"), "edge": load("lib:edge"), "aged": AGED}


def fits(value: ir.Value, type_: ir.Type) -> bool:
    match type_:
        case ir.Bits():
            return isinstance(value, int) and ir.wrap(value, type_) == value
        case ir.Bool():
            return isinstance(value, bool)
        case ir.Bytes():
            return isinstance(value, bytes)


@pytest.mark.parametrize("name", MODELS)
def test_any_state_fits_its_types(name: str) -> None:
    network = MODELS[name]

    @settings(max_examples=40)
    @given(states(network, reachable=False), traces(network, max_size=5))
    def check(state: SavedState, trace: Trace) -> None:
        for instance in network.instances:
            for variable in instance.program.state:
                rows = state.instances[instance.name].get(variable.name, {})
                for key, row in rows.items():
                    width = len(variable.values)
                    assert len(row) == width + variable.aged
                    assert all(map(fits, key, variable.keys))
                    assert all(map(fits, row, variable.values))
        machine = Machine(network, state=state)
        kept = machine.save()
        assert kept == state
        for event in trace:
            machine.step(*event)

    check()


@settings(max_examples=30)
@given(states(MODELS["napt"]))
def test_reachable_states_keep_what_always_holds(state: SavedState) -> None:
    rows = state.instances["napt"]
    ((following,),) = rows["next"].values()
    assert isinstance(following, int)
    assert len(rows["mapping"]) == len(rows["inside"]) == following - 1024
    assert all(1024 <= port < following for (port, _) in rows["inside"])


def test_the_plainest_state_is_that_before_the_first_packet() -> None:
    assert find(states(AGED, max_size=5), lambda _: True).now is None
    plain = find(states(AGED, reachable=False), lambda _: True)
    assert plain.now == 0
    assert plain.instances["p"]["m"] == {}
    assert len(plain.timers) == 1


def test_keys_are_those_of_packets_worth_sending() -> None:
    def translated(state: SavedState) -> bool:
        return (0x0A000001, 1024, 6) in state.instances["napt"]["mapping"]

    assert find(states(MODELS["napt"], reachable=False), translated)


def test_rows_expire_at_the_same_instant() -> None:
    """A row of a map with a timeout is alive when the state begins, and not older than its time."""

    def old(state: SavedState) -> bool:
        rows = state.instances["p"]["m"]
        return any((state.now or 0) - row[-1] == 999_999_999 for row in rows.values())  # type: ignore[operator]

    assert find(states(AGED, reachable=False), old)
