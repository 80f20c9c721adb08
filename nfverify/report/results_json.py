"""Results as JSON, and back: `results.schema.json` beside this file says what it may hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nfverify.equivalence.verdict import Emitted
from nfverify.report.document import JSON, text_of
from nfverify.report.results import (
    Change,
    Example,
    Outcome,
    Place,
    Ratio,
    Result,
    Results,
    Series,
    Step,
)
from nfverify.semantics.shown import LARGEST_NUMBER

VERSION = 1
MAX_TEXT = 256 << 20  # characters of a document that is read
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_DIGITS = re.compile(r"-?[0-9]{1,4000}", re.ASCII)
_OURS = (Change, Emitted, Example, Outcome, Place, Ratio, Result, Results, Series, Step)


def schema() -> str:
    """The JSON Schema (draft 2020-12) of the documents."""
    return files("nfverify.report").joinpath("results.schema.json").read_text(encoding="utf-8")


def dump(results: Results) -> str:
    """The document as text, in which nothing is hidden and everything is UTF-8."""
    return text_of(document(results))


def document(results: Results) -> dict[str, JSON]:
    """What is in the results; frames in hexadecimal, integers above 2^53 as strings."""
    found = _object(results)
    head: dict[str, JSON] = {"version": VERSION, "nfverify": found.pop("version")}
    return {**head, "status": results.status, **found}


def result_document(result: Result) -> dict[str, JSON]:
    """One of them."""
    return _object(result)


def _object(value: object) -> dict[str, JSON]:
    assert is_dataclass(value)
    return {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}


def _encoded(value: object) -> JSON:
    match value:
        case None | bool() | str() | float():
            return value
        case int():
            return value if abs(value) <= LARGEST_NUMBER else str(value)
        case bytes():
            return value.hex()
        case tuple():
            return [_encoded(item) for item in value]
        case _:
            return _object(value)


# Back -------------------------------------------------------------------------------------


def load(text: str) -> Results:
    """The results of a document. ValueError for what is none."""
    if len(text) > MAX_TEXT:
        raise ValueError("too long")
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(data, dict) or data.pop("version", None) != VERSION:
        raise ValueError(f"no results of version {VERSION}")
    status, data["version"] = data.pop("status", None), data.pop("nfverify", None)
    found = _decoded(Results, data, "results")
    assert isinstance(found, Results)
    if status != found.status:
        raise ValueError("status: it is not the worst of the results")
    return found


def result_from(data: object) -> Result:
    """One result as `result_document` gives it. ValueError."""
    found = _decoded(Result, data, "result")
    assert isinstance(found, Result)
    return found


@cache
def _types(class_: type) -> Mapping[str, Any]:
    return get_type_hints(class_)


def _decoded(type_: Any, data: object, where: str) -> object:
    """The value of that type that `data` is. Its depth is that of the types."""
    origin = get_origin(type_)
    if type_ in _OURS:
        hints = _types(type_)
        if not isinstance(data, dict) or data.keys() != hints.keys():
            raise ValueError(f"{where}: an object with {', '.join(hints)} is expected")
        values = {k: _decoded(t, data[k], f"{where}.{k}") for k, t in hints.items()}
        return type_(**values)
    if origin is tuple:
        return _tuple(get_args(type_), data, where)
    if origin is Literal:
        if not isinstance(data, str) or data not in get_args(type_):
            raise ValueError(f"{where}: one of {', '.join(get_args(type_))} is expected")
        return data
    if origin in (Union, UnionType):
        (other,) = (t for t in get_args(type_) if t is not NoneType)
        return None if data is None else _decoded(other, data, where)
    return _scalar(type_, data, where)


def _tuple(types: tuple[Any, ...], data: object, where: str) -> tuple[object, ...]:
    if not isinstance(data, list) or (types[-1] is not ... and len(data) != len(types)):
        raise ValueError(f"{where}: a list is expected")
    each: Sequence[Any] = (types[0],) * len(data) if types[-1] is ... else types
    pairs = zip(each, data, strict=True)
    return tuple(_decoded(t, item, f"{where}[{n}]") for n, (t, item) in enumerate(pairs))


def _scalar(type_: Any, data: object, where: str) -> object:
    match data:
        case bool() if type_ is bool:
            return data
        case str() if type_ is str:
            return data
        case str() if type_ is bytes and _HEXADECIMAL.fullmatch(data):
            return bytes.fromhex(data)
        case str() if type_ is int and _DIGITS.fullmatch(data):
            return int(data)
        case int() if type_ in (int, float) and not isinstance(data, bool):
            return type_(data) if abs(data) <= LARGEST_NUMBER or type_ is int else _none(where)
        case float() if type_ is float and math.isfinite(data):
            return data
    raise ValueError(f"{where}: no {type_.__name__}")


def _none(where: str) -> object:
    raise ValueError(f"{where}: out of range")
