"""Random programs: text that loads, networks that run."""

from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from nfverify import load_text
from nfverify.oracles.programs.expressions import Options
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.strategies import networks, programs, traces

PLAINEST = """\
program p {
    entry e0 {
        action_flow  { pass; }
    }
}
"""


@settings(max_examples=60)
@given(programs(), st.data())
def test_every_text_loads_and_runs(text: str, data: st.DataObject) -> None:
    network = load_text(text)
    machine, twin = Machine(network), Machine(network, engine="walk")
    for event in data.draw(traces(network, max_size=10)):
        assert machine.step(*event) == twin.step(*event)


def test_the_plainest_program_passes_everything() -> None:
    assert find(programs(), lambda _: True) == PLAINEST


def test_programs_shrink() -> None:
    found = find(programs(max_entries=2), lambda text: "delete" in text)
    assert found.count("entry") == 1
    assert len(found.splitlines()) <= 10


def test_what_is_switched_off_does_not_occur() -> None:
    @settings(max_examples=100)
    @given(programs(timers=False, timeouts=False, resubmit=False, max_entries=1))
    def check(text: str) -> None:
        assert not any(word in text for word in ("every", "timeout", "max", "resubmit", "entry e1"))

    check()


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(networks())
def test_networks_run(network: ir.Network) -> None:
    Machine(network).step(0, 0, bytes(60))


def test_networks_shrink() -> None:
    def drops(network: ir.Network) -> bool:
        bodies = [instance.program.body for instance in network.instances]
        return any(isinstance(node, ir.SetOutput) for body in bodies for node in ir.walk(body))

    found = find(networks(Options(loops=False)), drops)
    assert len(found.instances) <= 2
