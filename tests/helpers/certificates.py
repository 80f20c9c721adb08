"""Certificates of the pairs in tests/pairs, and what the checker says of them."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nfverify.checker.check import Check
from nfverify.checker.semantics import Unchecked
from nfverify.equivalence import prove
from nfverify.equivalence.certification import certificate, whole
from nfverify.equivalence.problem import Options
from nfverify.equivalence.prove import Question
from nfverify.equivalence.verdict import Equivalent
from nfverify.lang.source import Source
from nfverify.smat.certificate import digest, read
from nfverify.smat.condition import packet_condition

PAIRS = Path(__file__).parent.parent / "pairs"
Document = dict[str, Any]


def assumed(name: str) -> list[str]:
    """The texts of a pair's --assume."""
    words = _words(name)
    return [words[words.index("--assume") + 1]] if "--assume" in words else []


def _words(name: str) -> list[str]:
    head = (PAIRS / f"{name}.a.nfd").read_text().splitlines()[1]
    return shlex.split(head.removeprefix("# options:")) if head.startswith("# options:") else []


def certified(name: str, seconds: float = 20.0) -> Document | None:
    """The certificate of a pair; None if the prover doesn't say `equivalent`."""
    a = whole(str(PAIRS / f"{name}.a.nfd"))
    b = whole(str(PAIRS / f"{name}.b.nfd"), a.network.ports)
    texts = assumed(name)
    assume = packet_condition(Source("--assume", texts[0]), ("0", "1")) if texts else None
    options = Options(observe_state="packets+state" in _words(name), assume=assume)
    verdict = prove.equivalent(a.network, b.network, Question(options=options, time_limit=seconds))
    if not isinstance(verdict, Equivalent):
        return None
    return certificate(a, b, options, texts, verdict.proof)


def signed(document: Document, **changes: Any) -> Document:
    """The document with changes, and a digest that fits them."""
    changed = {**document, **changes}
    return {**changed, "digest": digest(changed)}


def checked(document: Mapping[str, Any], seconds: float = 60.0) -> dict[str, str]:
    """Each obligation with its answer; `refused` if the checker knows nothing of a construct."""
    found = read(json.dumps(document).encode())
    try:
        return dict(Check(found, time.monotonic() + seconds).findings())
    except Unchecked:
        return {"refused": "unknown"}
