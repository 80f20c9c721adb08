"""A verdict back from its JSON, which others may have written: all of it is checked first."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Emitted,
    Equivalent,
    Event,
    Held,
    Obligation,
    Proof,
    Report,
    Resisting,
    SideOfEvent,
    Unknown,
    Verdict,
)
from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.lang.visible import one_line
from nfverify.report.document import VERSION

MAX_TIME = 1 << 62  # ns
MAX_FRAME = 1 << 20  # bytes
MAX_EVENTS = 1 << 20
MAX_TEXT = 8 << 20  # characters; the lists in them may take thirty times as many bytes
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_SHOWN = 60  # characters of what is wrong
_T = TypeVar("_T")
_Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict, and the models as they were named."""

    verdict: Verdict
    a: str
    b: str


class _Wrong(Exception):
    """What is wrong with a document, and where."""


def read_verdict(text: str, name: str) -> Told:
    """The verdict in a text of `equiv --format json`; messages call it `name`. ModelError."""
    if len(text) > MAX_TEXT:
        _fail(name, text, f"not a verdict: over {MAX_TEXT >> 20} MB")
    try:
        data = json.loads(text, parse_constant=_no_constant)
        return _told(_Reader(data, "").table())
    except json.JSONDecodeError as error:
        _fail(name, text, f"not JSON: {error.msg}", error.pos)
    except RecursionError:
        _fail(name, text, "not a verdict: nested too deep")
    except _Wrong as error:
        _fail(name, text, f"not a verdict: {error}")
    except ValueError as error:  # an integer of thousands of digits
        _fail(name, text, f"not a verdict: {error}")


def _fail(name: str, text: str, message: str, offset: int = 0) -> NoReturn:
    # The text is not quoted: it may be any file.
    source = Source(one_line(name), "")
    where = f" (byte {offset})" if offset else ""
    raise ModelError(Diagnostic("error", "verdict", message + where, Span(source, 0, 0)))


def _no_constant(name: str) -> NoReturn:
    raise _Wrong(f"{name} is no number")


@dataclass(frozen=True, slots=True)
class _Reader:
    """A value of the document, and its place."""

    value: object
    place: str

    def wrong(self, wanted: str) -> NoReturn:
        raise _Wrong(f"{self.place or 'the document'} is no {wanted}")

    def table(self) -> _Table:
        if not isinstance(self.value, dict):
            self.wrong("object")
        return self.value

    def at(self, key: str) -> _Reader:
        table = self.table()
        place = f"{self.place}.{key}" if self.place else key
        if key not in table:
            raise _Wrong(f"there is no {place}")
        return _Reader(table[key], place)

    def optional(self, key: str) -> _Reader | None:
        found = self.table().get(key)
        return None if found is None else self.at(key)

    def text(self) -> str:
        if not isinstance(self.value, str):
            self.wrong("text")
        return one_line(self.value)

    def number(self, limit: int = MAX_TIME) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.wrong("number")
        if not 0 <= self.value < limit:
            raise _Wrong(f"{self.place} is not from 0 to {limit - 1}")
        return self.value

    def seconds(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.wrong("number")
        if not 0 <= self.value < 10**9:
            self.wrong("time in seconds")
        return float(self.value)

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.wrong("bool")
        return self.value

    def frame(self) -> bytes:
        if not isinstance(self.value, str) or len(self.value) > 2 * MAX_FRAME:
            self.wrong("frame in hexadecimal")
        if not _HEXADECIMAL.fullmatch(self.value):
            self.wrong("frame in hexadecimal")
        return bytes.fromhex(self.value)

    def each(self, read: Callable[[_Reader], _T]) -> tuple[_T, ...]:
        if not isinstance(self.value, list) or len(self.value) > MAX_EVENTS:
            self.wrong("list")
        return tuple(read(_Reader(v, f"{self.place}[{n}]")) for n, v in enumerate(self.value))

    def texts(self) -> tuple[str, ...]:
        return self.each(_Reader.text)

    def one_of(self, *choices: str) -> str:
        if self.value not in choices:
            raise _Wrong(f"{self.place} is none of {', '.join(choices)}")
        return str(self.value)


def _told(table: _Table) -> Told:
    top = _Reader(table, "")
    if top.at("version").value != VERSION:
        raise _Wrong(f"its version is {str(top.at('version').value)[:_SHOWN]!a}, not {VERSION}")
    choices = "equivalent", "different", "refines", "not refined", "unknown"
    kind = top.at("verdict").one_of(*choices)
    assumption = top.at("assumption")
    report = Report(
        a=top.at("a").text(),
        b=top.at("b").text(),
        observe=top.at("observe").one_of("packets", "packets+state"),
        ignored=top.at("ignored").texts(),
        assumption="" if assumption.value is None else assumption.text(),
        non_ip=top.at("non_ip").one_of("bypass", "drop"),
        notes=top.at("notes").texts(),
        seconds=top.at("seconds").seconds(),
        refine=kind in ("refines", "not refined"),
    )
    return Told(_verdict(top, kind, report), report.a, report.b)


def _verdict(top: _Reader, kind: str, report: Report) -> Verdict:
    if kind in ("equivalent", "refines"):
        proof = top.at("proof")
        return Equivalent(
            report,
            Proof(
                proof.at("method").text(),
                proof.at("depth").number(),
                proof.at("relation").texts(),
                proof.at("obligations").each(_obligation),
            ),
        )
    if kind in ("different", "not refined"):
        found = top.at("counterexample")
        events = found.at("events").each(_event)
        if not events:
            raise _Wrong("counterexample.events is empty")
        return Different(
            report,
            Counterexample(
                events,
                found.at("minimal").flag(),
                found.at("excluded").number(),
                found.at("differences").texts(),
            ),
        )
    step = top.optional("resisting")
    return Unknown(
        report,
        top.at("reason").text(),
        top.at("depth").number(),
        top.at("obligations").each(_obligation),
        None if step is None else _resisting(step),
    )


def _obligation(one: _Reader) -> Obligation:
    result = one.at("result").one_of("proved", "refuted", "unknown")
    return Obligation(one.at("name").text(), one.at("seconds").seconds(), result)  # type: ignore[arg-type]  # one of the three


def _event(one: _Reader) -> Event:
    return Event(
        one.at("time").number(),
        one.at("port").text(),
        one.at("packet").frame(),
        _side(one.at("a")),
        _side(one.at("b")),
    )


def _side(one: _Reader) -> SideOfEvent:
    return SideOfEvent(one.at("outputs").each(_emitted), one.at("entries").texts())


def _emitted(one: _Reader) -> Emitted:
    return Emitted(one.at("time").number(), one.at("port").text(), one.at("packet").frame())


def _resisting(one: _Reader) -> Resisting:
    frame, a, b = one.optional("packet"), one.optional("a"), one.optional("b")
    return Resisting(
        obligation=one.at("obligation").text(),
        event=one.at("event").text(),
        time=one.at("time").number(),
        port=one.at("port").text(),
        frame=None if frame is None else frame.frame(),
        state=one.at("state").each(_held),
        a=None if a is None else _side(a),
        b=None if b is None else _side(b),
        differences=one.at("differences").texts(),
    )


def _held(one: _Reader) -> Held:
    values = one.optional("values")
    key = one.at("key").texts()
    return Held(one.at("variable").text(), key, None if values is None else values.texts())
