"""`--from`: both networks from a saved state on, by networks that begin in it.

One file serves both sides. A variable is looked up by instance and name, as `nat_next` for
`nat.next` (a chain and its one table), or by its name alone between two single NFs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import NoReturn

from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.refine.refinable import check_refinable
from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.semantics.shown import JSON
from nfverify.semantics.state import SavedState
from nfverify.semantics.state_json import load
from nfverify.smat import ir

_Names = dict[tuple[str, str], JSON]


@dataclass(frozen=True, slots=True)
class Start:
    """A network that begins in a saved state, the state as JSON, what of the file it has not."""

    network: ir.Network
    state: SavedState
    text: str
    missing: tuple[str, ...]


def starts(
    a: ir.Network, b: ir.Network, text: str, name: str, *, refine: bool = False
) -> tuple[Start, Start]:
    """Both sides from the state in a JSON text; to `refine`, they may choose. Raises ModelError.

    `init` has run by then, unless the state is that of no packet yet. Timers are refused: when
    one is due would be part of the state.
    """
    if refine:
        check_refinable(a, b)
    else:
        check_provable(a, b, headers=True)
    given, top = _read(a, text, name)
    sides = [_side(network, given, top, name) for network in (a, b)]
    nowhere = set(sides[0].missing) & set(sides[1].missing)
    if nowhere:
        _fail(name, text, f"neither model has {', '.join(sorted(nowhere))}")
    return sides[0], sides[1]


def _read(a: ir.Network, text: str, name: str) -> tuple[_Names, dict[str, JSON]]:
    """The variables of a state and the rest of it; what is wrong with it is said by its reader."""
    try:
        top = json.loads(text)
        instances = top["instances"]
        given = {(i, v): value for i, content in instances.items() for v, value in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        load(a, text, name)
        _fail(name, text, "not a state: `instances` is missing or no object of objects")
    if top.get("timers") or any(i.program.timers for i in a.instances):
        message = "a state with timers that wait can't be the start of a comparison yet"
        _fail(name, text, message)
    return given, {**top, "timers": []}


def _side(network: ir.Network, given: _Names, top: dict[str, JSON], name: str) -> Start:
    if any(i.program.timers for i in network.instances):
        _fail(name, "", f"{network.name} has timers: it can't be compared from a given state yet")
    places = {
        (instance.name, variable.name)
        for instance in network.instances
        for variable in instance.program.state
        if not variable.constant
    }
    flat = {f"{instance}_{variable}": (instance, variable) for instance, variable in places}
    alone = len(network.instances) == 1 and len({instance for instance, _ in given}) == 1
    instances: dict[str, dict[str, JSON]] = {}
    missing: list[str] = []
    for (instance, variable), value in given.items():
        found = next(
            (
                place
                for place in (
                    (instance, variable),
                    (network.instances[0].name, f"{instance}_{variable}"),
                    flat.get(variable, ("", "")),
                    (network.instances[0].name, variable) if alone else ("", ""),
                )
                if place in places
            ),
            None,
        )
        if found is None:
            missing.append(f"{instance}.{variable}")
        else:
            instances.setdefault(found[0], {})[found[1]] = value
    text = json.dumps({**top, "instances": instances})
    state = load(network, text, name)
    return Start(begun(network, state), state, text, tuple(missing))


def begun(network: ir.Network, state: SavedState) -> ir.Network:
    """The network with the state as its initial one; `init` has run, unless no packet came yet."""
    instances = []
    for instance in network.instances:
        content = state.instances.get(instance.name, {})
        variables = []
        for variable in instance.program.state:
            values = content.get(variable.name)
            if values is not None and not variable.keys:
                variable = replace(variable, default=values[()])
            elif values is not None:
                variable = replace(variable, entries=tuple(sorted(values.items())))
            variables.append(variable)
        init = instance.program.init if state.now is None else ()
        program = replace(instance.program, state=tuple(variables), init=init)
        instances.append(ir.Instance(instance.name, program))
    return replace(network, instances=tuple(instances))


def _fail(name: str, text: str, message: str) -> NoReturn:
    span = Span(Source(name, text), 0, 0)
    raise ModelError(Diagnostic("error", "state", message, span))
