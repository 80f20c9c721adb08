"""Table I of SpeedyBox with what it leaves out: shared state, and readers before writers."""

from __future__ import annotations

from itertools import product

import pytest
from ir_build import add, get, i, put

from nfverify.fastpath.parallel import conflict, groups
from nfverify.fastpath.plan import Payload, StateFunction

PAYLOAD: tuple[Payload, ...] = ("write", "read", "ignore")


def count(name: str, payload: Payload = "ignore", by: str | None = None) -> StateFunction:
    """An NF that counts by 1, or by another's counter."""
    amount = i(1) if by is None else get(f"{by}.n")
    write = put(f"{name}.n", add(get(f"{name}.n"), amount))
    return StateFunction(name, (write,), payload)


@pytest.mark.parametrize(("first", "second"), list(product(PAYLOAD, PAYLOAD)))
def test_the_payload(first: Payload, second: Payload) -> None:
    said = conflict(count("a", first), count("b", second))
    together = {first, second} == {"read"} or "ignore" in (first, second)
    assert (said == "") == together


def test_shared_state() -> None:
    assert conflict(count("a"), count("a")) == "both write a.n"
    assert conflict(count("a"), count("b", by="a")) == "b reads a.n, which a writes"
    assert conflict(count("b", by="a"), count("a")) == "b reads a.n, which a writes"
    assert conflict(count("b", by="a"), count("c", by="a")) == ""


def test_groups_are_of_neighbours() -> None:
    assert groups([]) == groups([count("a")]) == groups([count("a"), count("b", by="a")]) == ()
    assert groups([count("a"), count("b"), count("c", by="b"), count("d")]) == ((0, 1), (2, 3))
    assert groups([count("a"), count("b"), count("c")]) == ((0, 1, 2),)
