"""Certificates of equivalence as files: JSON that anybody may have written or changed.

One says: the networks `a` and `b`, whose texts it holds, are equal in what `options` say, by this
relation. Reading proves nothing; that is what `nfverify.checker` does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfverify.lang.source import Source
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.condition import packet_condition
from nfverify.smat.load import choose, open_module
from nfverify.smat.network import build
from nfverify.smat.relating import Claim, equality, read_claims, variables
from nfverify.smat.report import Report

FORMAT, VERSION = "nfverify certificate", 1
MAX_BYTES = 64 << 20
_MEMBERS = {
    "format", "version", "nfverify", "claim", "a", "b", "options", "relation", "obligations",
    "digest",
}  # fmt: skip
_OPTIONS = {"observe", "state", "ignore", "assume", "non_ip"}
_ROOT = Path("/nfverify-certificate")  # of files that are on no disk


class BadCertificate(Exception):
    """A file that is no certificate."""


class ChangedCertificate(BadCertificate):
    """A certificate that is not as it was written."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is equal, and of which traffic; `assumed` are the texts of `assume`. `state` are pairs
    of variables that are equal, too, after each event, and claims that they are."""

    state: tuple[tuple[str, str, Claim], ...]
    ignore: tuple[str, ...]
    assumed: tuple[str, ...]
    assume: tuple[ir.Expr, ...]
    drop_non_ip: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """That two networks are equal; `names` are the files and NFs that they were."""

    a: ir.Network
    b: ir.Network
    names: tuple[str, str]
    options: Options
    relation: tuple[Claim, ...]
    obligations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """The files of one model, as a folder that is on no disk."""

    root: Path
    texts: Mapping[str, str]

    def is_file(self, path: Path) -> bool:
        return (
            path.is_relative_to(self.root) and path.relative_to(self.root).as_posix() in self.texts
        )

    def read(self, path: Path, limit: int) -> bytes:
        """The content; what is asked for was found by `is_file`, or is the model itself."""
        return self.texts[path.relative_to(self.root).as_posix()].encode()[:limit]

    def names(self, folder: Path, suffix: str) -> list[str]:
        return []


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of all members but the digest, as JSON with sorted keys and without spaces."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read(data: bytes) -> Certificate:
    """The certificate in a file. BadCertificate; ModelError for models that can't be read."""
    _require(len(data) <= MAX_BYTES, f"it is larger than {MAX_BYTES >> 20} MiB")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadCertificate(f"it is not JSON: {str(error)[:80]!a}") from None
    ours = isinstance(document, dict) and document.get("format") == FORMAT
    _require(ours, f'it is no certificate: its "format" is not "{FORMAT}"')
    _require(document.get("version") == VERSION, f"only version {VERSION} is known")
    _require(set(document) == _MEMBERS, f"its members are not {', '.join(sorted(_MEMBERS))}")
    if document["digest"] != digest(document):
        raise ChangedCertificate("it was changed after it was written: its digest is another one")
    a = _network(document["a"], "a", ())
    b = _network(document["b"], "b", a.ports)
    shared = set(a.ports) & set(b.ports)
    _require(all(a.ports.index(p) == b.ports.index(p) for p in shared), "ports differ in order")
    _require(_texts(document["obligations"]), "its obligations are no list of texts")
    try:
        relation = read_claims(document["relation"], a, b)
    except ValueError as error:
        raise BadCertificate(f"its relation can't be read: {error}") from None
    options = _options(document["options"], a, b)
    names = _name(document["a"]), _name(document["b"])
    return Certificate(a, b, names, options, relation, tuple(document["obligations"]))


def _options(given: Any, a: ir.Network, b: ir.Network) -> Options:
    _require(isinstance(given, dict) and set(given) == _OPTIONS, "its options are others")
    _require(given["observe"] in ("packets", "packets+state"), "`observe` is not known")
    _require(given["non_ip"] in ("bypass", "drop"), "`non_ip` is not known")
    _require(_texts(given["ignore"]) and _texts(given["assume"]), "its options are no texts")
    on_wire = {name for name, info in FIELDS.items() if info.on_wire}
    _require(set(given["ignore"]) <= on_wire, "a field that is ignored is not known")
    assume = tuple(packet_condition(Source("assume", text), a.ports) for text in given["assume"])
    pairs = given["state"]
    _require(isinstance(pairs, list) and all(map(_texts, pairs)), "`state` is no list of pairs")
    _require(all(len(pair) == 2 for pair in pairs), "`state` is no list of pairs")
    _require(bool(pairs) == (given["observe"] == "packets+state"), "`state` does not fit `observe`")
    state = []
    for x, y in pairs:
        one, other = variables("a", a).get(x), variables("b", b).get(y)
        if not one or not other or (one.keys, one.values) != (other.keys, other.values):
            raise BadCertificate("two variables of `state` are not there, or of other types")
        state.append((x, y, equality(one.keys, one.values, x, y)))
    return Options(
        tuple(state),
        tuple(given["ignore"]),
        tuple(given["assume"]),
        assume,
        given["non_ip"] == "drop",
    )


def _network(side: Any, letter: str, ports: Sequence[str]) -> ir.Network:
    fits = isinstance(side, dict) and set(side) == {"file", "name", "files"}
    _require(fits, f"there is no model {letter}")
    files, name = side["files"], side["name"]
    texts = isinstance(files, dict) and _texts([*files, *files.values()])
    _require(texts and side["file"] in files, f"the files of {letter} are no texts")
    _require(name is None or isinstance(name, str), f"the name of {letter} is no text")
    root = _ROOT / letter
    _require(all(map(_plain, files)), f"the names of files of {letter} are not plain")
    try:
        report = Report()
        shown = f"{letter}:{side['file']}"
        module = open_module(report, str(root / side["file"]), Texts(root, files), shown)
        network, _ = build(report, *choose(report, module, name), ports)
        report.stop()
    except UnicodeEncodeError:
        raise BadCertificate(f"a text of {letter} is no Unicode") from None
    return network


def _plain(path: str) -> bool:
    parts = path.split("/")
    return "\0" not in path and all(part not in ("", ".", "..") for part in parts)


def _name(side: Mapping[str, Any]) -> str:
    return side["file"] if side["name"] is None else f"{side['file']}:{side['name']}"


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise BadCertificate(message)
