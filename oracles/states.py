"""Saved states held against each other."""

from __future__ import annotations

from nfverify.semantics.state import SavedState, packet_values
from nfverify.smat.ir import Network


def shape(network: Network, state: SavedState) -> dict[str, object]:
    """A saved state as values that compare, by qualified name; the order of rows counts where the
    language gives it one (maps with time-outs and capacities)."""
    found: dict[str, object] = {"now": state.now}
    for instance in network.instances:
        for variable in instance.program.state:
            if not variable.constant:
                rows = state.instances[instance.name][variable.name]
                where = f"{instance.name}.{variable.name}"
                found[where] = tuple(rows.items()) if variable.aged else dict(rows)
    for number, timer in enumerate(sorted(state.timers)):
        waiting = (timer.due, timer.instance, packet_values(timer.packet), tuple(timer.tags))
        found[f"timer {number}"] = waiting
    return found


def difference(network: Network, left: SavedState, right: SavedState) -> str:
    """The first thing in which two states differ, in words; "" if they are equal."""
    one, other = shape(network, left), shape(network, right)
    for name in (*one, *(name for name in other if name not in one)):
        a, b = one.get(name), other.get(name)
        if a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            for key in sorted({*a, *b}, key=repr):
                if a.get(key) != b.get(key):
                    at = f"[{', '.join(map(str, key))}]" if key else ""
                    return f"{name}{at}: {_value(a.get(key))}, not {_value(b.get(key))}"
        return f"{name}: {_value(a)}, not {_value(b)}"
    return ""


def _value(value: object) -> str:
    if value is None:
        return "absent"
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"
