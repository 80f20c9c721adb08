"""The checker of certificates: what it accepts, and that nothing wrong passes it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import certificates
import prover_faults as faults
import pytest
from certificates import certified, checked, signed

import nfverify.checker
from nfverify.smat.relating import claim_document, read_claims

LIST = "the list of obligations"
FOLDER = Path(nfverify.checker.__file__).parent
HONEST = (
    "key-reversed", "counter-scalar-other-way", "limiter-timer-every", "loop-state", "ports-graph",
    "resubmit-unrolled", "state-observed", "operator-decrypt", "constant-table", "chain-merged",
    "divide-by-zero", "tag-resubmit", "trap-alias-excluded", "stateless-absent-header",
)  # fmt: skip
FORGED: tuple[tuple[faults.Fault, str], ...] = (
    (faults.no_initial_check, "trap-initial"),
    (faults.wrong_initial_check, "trap-initial-map"),
    (faults.timers_are_no_events, "trap-event-between"),
    (faults.one_goal_forgotten, "trap-one-step"),
    (faults.dropped_stays_assumed, "shape-sum-broken"),
    (faults.keys_never_alias, "trap-alias"),
    (faults.newest_write_always_hits, "trap-log-condition"),
    (faults.earlier_rows_forgotten, "trap-first-match"),
    (faults.drop_is_a_jump, "trap-drop-goes-on"),
    (faults.dropped_goes_down_the_chain, "trap-chain-count"),
    (faults.division_as_in_smt, "trap-divide-by-zero"),
    (faults.signs_forgotten, "trap-sign-int"),
    (faults.operators_without_arguments, "trap-operator"),
    (faults.present_if_not_default, "trap-presence-default"),
    (faults.tags_end_with_the_nf, "trap-tag-kept"),
    (faults.outputs_by_number_only, "shape-eq-broken"),
)


def test_it_is_small_and_knows_nothing_of_the_prover() -> None:
    files = sorted(FOLDER.glob("**/*.py"))
    assert sum(len(file.read_text().splitlines()) for file in files) < 500
    imported = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    ours = {name.split(".")[1] for name in imported if name.startswith("nfverify.")}
    assert ours == {"checker", "packet", "smat"}  # and smat imports no solver: pyproject.toml
    others = {name.split(".")[0] for name in imported} - {"nfverify"}
    assert others <= sys.stdlib_module_names | {"z3"}


@pytest.mark.parametrize("name", HONEST)
def test_honest(name: str) -> None:
    document = certified(name)
    assert document is not None
    found = checked(document)
    assert set(found.values()) == {"proved"}, found
    assert set(document["obligations"]) < set(found)


@pytest.mark.parametrize(("fault", "name"), FORGED, ids=lambda x: getattr(x, "__name__", x))
def test_what_a_faulty_prover_believes(fault: Callable[..., None], name: str) -> None:
    """Each of these faults makes the prover, and its own certificate, prove what is false."""
    with pytest.MonkeyPatch.context() as patch:
        faults.proof_alone(patch)
        fault(patch)
        document = certified(name, 4.0)
    assert document is not None, "the fault proves nothing false here"
    found = checked(document)
    listed = [name for name in found if name != LIST]
    if found.get(LIST) == "refuted":  # the fault also forgot some of what is to be shown
        found = checked(signed(document, obligations=listed))
    assert set(found.values()) - {"proved"}, found


@pytest.mark.parametrize("name", ["shape-excl-broken", "trap-wrap", "depth-6", "nat-pool-off"])
@pytest.mark.parametrize(
    "relation",
    [[], [{"keys": [], "holds": ["not", ["and"]]}]],
    ids=["empty", "false"],
)
def test_forged_relation(name: str, relation: list[object]) -> None:
    """Of pairs that differ: a relation that says nothing, and one that nothing satisfies."""
    document = certified("renamed")
    assert document is not None
    sides = {}
    for letter in "ab":
        file = f"{name}.{letter}.nfd"
        text = (certificates.PAIRS / file).read_text()
        sides[letter] = {"file": file, "name": None, "files": {file: text}}
    named = [
        f"({n + 1}) {when}" for n in range(len(relation)) for when in ("initially", "after packet")
    ]
    listed = ["equal outputs", *named, "the assumptions are satisfiable"]
    forged = signed(document, **sides, relation=relation, obligations=listed)
    found = checked(forged)
    assert "refuted" in found.values(), found


def test_relation_as_text_and_back() -> None:
    document = certified("nat-split-map")
    assert document is not None
    network = certificates.whole(str(certificates.PAIRS / "nat-split-map.a.nfd")).network
    other = certificates.whole(str(certificates.PAIRS / "nat-split-map.b.nfd")).network
    claims = read_claims(document["relation"], network, other)
    assert [claim_document(claim) for claim in claims] == document["relation"]
