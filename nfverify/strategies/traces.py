"""Strategies for what arrives at a network: single packets, and traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nfverify.oracles.trace import Event, Trace
from nfverify.oracles.wire import Values
from nfverify.semantics.operators import Function
from nfverify.strategies.aimed import Aimed, Model, aim
from nfverify.strategies.frame import Frame, field_value
from nfverify.strategies.scene import LENGTH, Scene

MAX_CHOICES = 400  # Hypothesis allows for 8 KiB in all
CHOICES = st.binary(min_size=LENGTH, max_size=LENGTH)


def packets(
    model: Model | None = None, *, hostile: bool = False, **fields: object
) -> SearchStrategy[Frame]:
    """Frames, aimed at a model; shrinks to a TCP SYN from 10.0.0.1:1024 to 10.0.0.2:80.

    `fields` fixes fields: values as for `frame`, or strategies of them. `hostile` allows frames
    that are malformed or odd: fragments, options, wrong checksums, cut ones.
    """
    aimed = aim(model)
    fixed = {n: field_value(n, v) for n, v in fields.items() if isinstance(v, int | str | bytes)}
    drawn = {n: v for n, v in fields.items() if isinstance(v, SearchStrategy)}
    if unknown := sorted(fields.keys() - fixed.keys() - drawn.keys()):
        raise TypeError(f"{unknown[0]} can't be {fields[unknown[0]]!r}")
    return _packets(aimed, hostile, fixed, drawn)


@st.composite
def _packets(
    draw: st.DrawFn,
    aimed: Aimed,
    hostile: bool,
    fixed: Values,
    drawn: Mapping[str, SearchStrategy[Any]],
) -> Frame:
    scene = Scene(aimed.pools, None, 0, 1, hostile)
    values = {n: field_value(n, draw(strategy)) for n, strategy in drawn.items()}
    return scene.single(draw(CHOICES), {**fixed, **values})


def traces(
    model: Model | None = None,
    *,
    min_size: int = 0,
    max_size: int = 50,
    bursts: bool = True,
    hostile: bool = False,
    operators: Mapping[str, Function] | None = None,
) -> SearchStrategy[Trace]:
    """Events for `Machine.step` and every engine, aimed at a model; shrinks to few plain packets.

    Packets repeat and answer earlier ones and, with a model, what the network itself sends; times
    lie around its timers and timeouts. `bursts` makes many packets of one choice, and whole
    sessions. `hostile` allows malformed and odd frames. `operators` are those that the model needs.
    """
    if not 0 <= min_size <= max_size:
        raise ValueError(f"no trace has {min_size} to {max_size} packets")
    return trace_strategy(aim(model, operators), min_size, max_size, bursts, hostile)


@st.composite
def trace_strategy(
    draw: st.DrawFn,
    aimed: Aimed,
    min_size: int,
    max_size: int,
    bursts: bool = True,
    hostile: bool = False,
) -> Trace:
    """As `traces`, for what is aimed already."""
    scene = Scene(
        aimed.pools,
        aimed.machine(),
        draw(aimed.starts),
        max_size,
        hostile,
        bursts,
    )
    events = scene.events
    for _ in range(MAX_CHOICES):
        # The end is drawn also where there is no choice: else a long burst, which needs none,
        # would pass for simpler than a short one.
        choice = draw(CHOICES)
        if len(events) >= max_size or not scene.play(choice, must=len(events) < min_size):
            break
    while len(events) < min_size:
        scene.play(bytes(LENGTH), must=True)
    return tuple(events)


def bursts(model: Model | None = None, *, max_size: int = 1000) -> SearchStrategy[Trace]:
    """One packet up to `max_size` times: the same, counted up in some field, or with its answers.
    How often lies around the model's thresholds."""
    if max_size < 1:
        raise ValueError(f"no burst has at most {max_size} packets")
    return _bursts(aim(model), max_size)


@st.composite
def _bursts(draw: st.DrawFn, aimed: Aimed, max_size: int) -> Trace:
    scene = Scene(aimed.pools, None, draw(aimed.starts), max_size, hostile=False)
    scene.burst(draw(CHOICES))
    return tuple(scene.events)


def events(model: Model | None = None, *, hostile: bool = False) -> SearchStrategy[Event]:
    """One event: a trace of one packet."""
    return traces(model, min_size=1, max_size=1, bursts=False, hostile=hostile).map(lambda t: t[0])
