"""Obligations and traces sent elsewhere: verdicts and findings are those of one process."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.equivalence.audit import Disagreement
from nfverify.equivalence.certificate import certify
from nfverify.equivalence.predicates import plan_rulesets
from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.shares import _shares, _together, certified, numbered
from nfverify.equivalence.solver import OutOfTime
from nfverify.executors import Done, Failed, Job, Outcome, opened
from nfverify.executors.cluster import Cluster
from nfverify.gate.config import read_config
from nfverify.gate.run import GateOptions, run_gate
from nfverify.oracles import tester
from nfverify.oracles.shards import Shared, surveyed
from nfverify.smat import ir
from nfverify.smat.load import load

ROOT = Path(__file__).parents[2]
PAIR = tuple(str(ROOT / "tests" / "pairs" / f"counter-other-way.{side}.nfd") for side in "ab")
BUG = ROOT / "tests" / "bugs" / "threshold.py"


def without_seconds(text: str) -> str:
    return re.sub(r'"seconds": [0-9.e+-]+', "", text)


@pytest.fixture(scope="module")
def problem() -> Problem:
    a, b = map(load, PAIR)
    return Problem(Side("a", a), Side("b", b), Options(), plan_rulesets(a, b, 20))


def test_verdicts_are_the_same_wherever_they_are_proved(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for more in ([], ["--executor", address]):
        assert main(["equiv", *PAIR, "--format", "json", *more]) == 0
        said.append(without_seconds(capsys.readouterr().out))
    assert '"obligations"' in said[0]
    assert said[1] == said[0]


def test_a_false_relation_is_refuted_elsewhere_too(problem: Problem) -> None:
    never = (Candidate("false", (), ir.Const(False, ir.BOOL)),)
    deadline = time.monotonic() + 60
    here = certify(problem, never, deadline, numbered)
    elsewhere = replace(problem, executor="local:2")
    there = certified(elsewhere, never, deadline, lambda what: None)
    assert [(o.name, o.result) for o in there] == [(o.name, o.result) for o in here]
    assert there[0].result == "refuted"


@dataclass(frozen=True)
class Fixed:
    """An executor whose jobs all come to one outcome."""

    outcome: Outcome
    width: int = 2

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        return ((index, self.outcome) for index in range(len(jobs)))


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Failed("time", "time ran out"), OutOfTime),
        (Failed("memory", "no more"), MemoryError),
        (Failed("died", "ended by SIGSEGV, 3 times"), RuntimeError),
        (Failed("error", "ValueError"), RuntimeError),
        (Done(OutOfTime()), OutOfTime),
        (Done(Disagreement("Z3 says unsat")), Disagreement),
        (Done("proved"), RuntimeError),
    ],
)
def test_a_share_that_comes_to_nothing_is_no_proof(
    problem: Problem, outcome: Outcome, error: type[Exception]
) -> None:
    with pytest.raises(error):
        _shares(Fixed(outcome), problem, (), 2, time.monotonic() + 9, lambda what: None)


def test_time_that_is_up_is_no_proof(problem: Problem) -> None:
    elsewhere = replace(problem, executor="local:1")
    with pytest.raises(OutOfTime):
        certified(elsewhere, (), time.monotonic() - 1, lambda what: None)


def test_shares_must_fit_together(problem: Problem) -> None:
    from nfverify.equivalence.shares import prove_share

    shares = [prove_share(problem, (), number, 2, 60) for number in range(2)]
    whole = certify(problem, (), time.monotonic() + 60, numbered)
    first, second = shares
    assert not isinstance(first, Exception)
    assert not isinstance(second, Exception)
    assert [o.name for o in _together([first, second])] == [o.name for o in whole]
    wrong = [
        [second, first],
        [first, replace(second, names=second.names[:-1])],
        [first, replace(second, obligations=())],
        [replace(first, obligations=(*first.obligations, *first.obligations)), second],
    ]
    for pieces in wrong:
        with pytest.raises(RuntimeError, match="don't fit together"):
            _together(pieces)


def test_traces_come_to_the_same_wherever_they_are_run() -> None:
    network = load(str(BUG.with_suffix(".nfd")))
    options = tester.Options(("reference",), f"python3 {BUG} --bug", examples=100)
    contest = tester.contest_of(network, options)
    campaign = tester.campaign_of(contest, options)
    here = [tester.look(contest, campaign, number) for number in range(3)]
    assert not all(seen.agreed for seen in here)
    with opened("local:2") as local:
        seen = surveyed(local, Shared.of(network, options, {}))
        assert [next(seen) for _ in here] == here
        seen.close()


def test_a_worker_killed_among_traces_loses_nothing(cluster: Cluster) -> None:
    network = load("lib:rate-limiter")
    options = tester.Options(engines=("reference", "symbolic"), examples=1500)
    seen = surveyed(cluster, Shared.of(network, options, {}))
    first = next(seen)
    os.kill(min(cluster.client.run(os.getpid).values()), signal.SIGKILL)

    def again() -> Iterator[tester.Seen]:
        yield first
        yield from seen

    found = tester.examine(network, options, seen=again())
    seen.close()
    assert found == tester.examine(network, options)


def test_a_gate_loses_nothing_by_a_killed_worker(
    cluster: Cluster, address: str, tmp_path: Path
) -> None:
    file = tmp_path / "nfverify.toml"
    pair = f'a = "{PAIR[0]}"\nb = "{PAIR[1]}"'
    file.write_text(
        f"""
[[equiv]]
{pair}
[[check]]
models = ["{PAIR[0]}"]
[[check]]
models = ["{PAIR[1]}"]
[[check]]
models = ["{PAIR[0]}", "{PAIR[1]}"]
"""
    )
    config = read_config(file)
    killed: list[int] = []

    def kill(done: int, total: int, name: str) -> None:
        if done == 1:
            killed.append(max(cluster.client.run(os.getpid).values()))
            os.kill(killed[0], signal.SIGKILL)

    there = run_gate(config, GateOptions(cache=False, executor=address), kill)
    here = run_gate(config, GateOptions(cache=False, executor="local:2"))
    assert killed
    assert not any(one.internal for one in there.results)
    assert [replace(one, seconds=0) for one in there.results] == [
        replace(one, seconds=0) for one in here.results
    ]


def test_only_what_differs_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load("lib:rate-limiter")
    options = tester.Options(engines=("reference", "symbolic"), examples=300)
    plain = tester.examine(network, options)
    contest = tester.contest_of(network, options)
    campaign = tester.campaign_of(contest, options)
    looked = (tester.look(contest, campaign, number) for number in range(1000))
    assert tester.examine(network, options, seen=looked) == plain
    lengths = [len(campaign.trace(number)) for number in range(20)]
    doubtful = (tester.Seen(number, length, False) for number, length in enumerate(lengths))
    assert tester.examine(network, options, seen=doubtful) == plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["equiv", *PAIR, "--executor", "remote"], "no executor 'remote'"),
        (["test", "lib:napt", "--executor", "local:0"], "'0' is no number of workers"),
        (["equiv", *PAIR, "--executor", "local", "--refine"], "doesn't go with --refine"),
    ],
)
def test_wrong_commands(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
