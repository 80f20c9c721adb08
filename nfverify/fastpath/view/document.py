"""The tables as JSON (version 1): all that the text shows, and what it cuts short."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from nfverify.fastpath.view.tables import HEAD_BYTES, KEY_BYTES, View

VERSION = 1


def as_json(view: View) -> str:
    """The document, docs/fast-path.md says what its members are."""
    whole = asdict(view)
    found: dict[str, object] = {
        "version": VERSION,
        "chain": view.name,
        "record": {
            "key": KEY_BYTES,
            "head": HEAD_BYTES,
            "values": max((c.bytes for c in view.classes), default=0),
            "compiled": whole["compiled"],
        },
    }
    found |= {
        "key": whole["key"],
        "served": whole["served"],
        "local_mats": whole["local"],
        "global_mat": [_with_ways(c) for c in whole["classes"]],
        "event_table": [
            {**event, "reach": "all" if event["reach"] is None else _watches(event["reach"])}
            for event in whole["events"]
        ],
        "parallel": [
            {"first": p["first"], "second": p["second"], "allowed": not p["reason"],
             "reason": p["reason"]}
            for p in whole["pairs"]
        ],
        "slow": [
            {"reason": s["reason"], "ways": [_way(way) for way in s["ways"]]}
            for s in whole["slow"]
        ],
    }  # fmt: skip
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _with_ways(class_: dict[str, object]) -> dict[str, object]:
    paths = class_["paths"]
    assert isinstance(paths, Sequence)
    watches = class_["watches"]
    assert isinstance(watches, Sequence)
    return {
        **class_,
        "watches": [{"variable": var, "key": key} for var, key in watches],
        "paths": [{**path, "entries": _way(path["entries"])} for path in paths],
    }


def _watches(reach: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"class": class_, "key": key} for class_, key in reach]


def _way(way: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"instance": instance, "entry": entry} for instance, entry in way]
