"""Maps that forget, by `timeout` or `max` (decision 16), as every engine holds them.

A row of such a map is its values and, as a last component, the stamp of its last assignment in ns;
the rows stand oldest first, so that those whose time is over come before all others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from nfverify.semantics.engine import Key, Values
from nfverify.semantics.values import number
from nfverify.smat.ir import StateVar

Rows = dict[Key, Values]  # an OrderedDict, which drops its first row in constant time


def stamped(entries: Mapping[Key, Values], now: int) -> Rows:
    """Rows out of keys and values without stamps, all assigned `now`."""
    return OrderedDict((key, (*values, now)) for key, values in entries.items())


def restamped(rows: Rows, now: int) -> Rows:
    """The same rows, all assigned `now`."""
    return OrderedDict((key, (*row[:-1], now)) for key, row in rows.items())


def alive(variable: StateVar, row: Values | None, now: int) -> bool:
    """Is it there, and its time not over?"""
    if row is None:
        return False
    return variable.timeout is None or now - number(row[-1]) < variable.timeout


def living(variable: StateVar, rows: Rows, now: int) -> Rows:
    """A copy of the rows whose time is not over, oldest first."""
    return {key: row for key, row in rows.items() if alive(variable, row, now)}


def drop_expired(variable: StateVar, rows: Rows, now: int) -> None:
    """Takes away the rows whose time is over, which nothing can tell from those not there."""
    while rows:
        oldest = next(iter(rows))
        if alive(variable, rows[oldest], now):
            return
        del rows[oldest]


def given(variable: StateVar, rows: Mapping[Key, Values], now: int) -> Rows:
    """The rows of a snapshot, oldest first, without the expired. ValueError says what is wrong."""
    if any(len(row) != len(variable.values) + 1 for row in rows.values()):
        raise ValueError(f"a row of {variable.name} ends with the time of its assignment")
    found = sorted(rows.items(), key=lambda item: number(item[1][-1]))
    if found and not 0 <= number(found[0][1][-1]) <= number(found[-1][1][-1]) <= now:
        raise ValueError(f"an assignment to {variable.name} is stamped before 0 or after {now}")
    kept = OrderedDict((key, row) for key, row in found if alive(variable, row, now))
    if variable.capacity is not None and len(kept) > variable.capacity:
        raise ValueError(f"{variable.name} has {len(kept)} keys, over max {variable.capacity}")
    return kept
