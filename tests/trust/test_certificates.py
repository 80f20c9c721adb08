"""`certify` and `check-certificate`: files, exit codes, and what was tampered with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import PAIRS, Document, certified, checked, signed

from nfverify.cli.main import main
from nfverify.lang.source import ModelError
from nfverify.smat.certificate import BadCertificate, ChangedCertificate, read

NAME = "key-reversed"
A, B = (str(PAIRS / f"{NAME}.{side}.nfd") for side in "ab")


@pytest.fixture(scope="module")
def document() -> Document:
    found = certified(NAME)
    assert found is not None
    return found


def written(folder: Path, document: Document) -> str:
    (folder / "cert.json").write_text(json.dumps(document))
    return str(folder / "cert.json")


def test_written_and_checked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "cert.json")
    assert main(["certify", A, B, "-o", file]) == 0
    assert "6 obligations of a relation of 2 claims" in capfd.readouterr().out
    assert main(["check-certificate", file]) == 0
    out = capfd.readouterr().out
    assert out.startswith("valid: ")
    assert out.count("  proved    ") == 7
    assert main(["check-certificate", file, A, B]) == 0
    capfd.readouterr()
    assert main(["check-certificate", file, B, A]) == 1
    assert "it is about other models" in capfd.readouterr().out
    assert main(["check-certificate", file, "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["verdict"] == "valid"


def test_only_equivalent_is_certified(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cert.json"
    pair = [str(PAIRS / f"shape-eq-broken.{side}.nfd") for side in "ab"]
    assert main(["certify", *pair, "-o", str(file)]) == 1
    assert main(["certify", A, B, "-o", str(file), "--time-limit", "0.01"]) == 3
    assert main(["certify", A, "-", "-o", str(file)]) == 2
    assert not file.exists()
    capfd.readouterr()


def test_imports_and_lists_are_in_it(tmp_path: Path) -> None:
    """The folder of the models is gone when the certificate is checked."""
    folder = tmp_path / "models"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "acl.csv").write_text("\ufeffsip,action\n10.0.0.0/8,accept\n*,drop\n")
    (folder / "parts" / "fw.nfd").write_text(
        'program fw { ruleset ACL = load("acl.csv"); entry { match_flow { f mismatches ACL }'
        " action_flow { drop; } } }"
    )
    (folder / "a.nfd").write_text('import "parts/fw.nfd"; chain main = fw;')
    (folder / "b.nfd").write_text(
        "program one { entry { match_flow { !(f[sip] matches 10.0.0.0/8) }"
        " action_flow { drop; } } }"
        "program two { entry { action_flow { drop; } } }"
    )
    file = str(tmp_path / "cert.json")
    assert (
        main(["-q", "certify", str(folder / "a.nfd"), f"{folder / 'b.nfd'}:one", "-o", file]) == 0
    )
    shutil.rmtree(folder)
    assert main(["-q", "check-certificate", file]) == 0
    document = json.loads(Path(file).read_text())
    assert set(document["a"]["files"]) == {"a.nfd", "parts/fw.nfd", "parts/acl.csv"}


def test_the_library_and_a_model_with_itself(tmp_path: Path) -> None:
    file = str(tmp_path / "cert.json")
    assert main(["-q", "certify", "lib:napt", "lib:napt", "-o", file]) == 0
    assert main(["-q", "check-certificate", file, "lib:napt", "lib:napt"]) == 0


def test_what_it_cannot_check_it_refuses(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "cert.json")
    pair = [str(PAIRS / f"tunnel-second-tag.{side}.nfd") for side in "ab"]
    assert main(["-q", "certify", *pair, "-o", file]) == 0
    capfd.readouterr()
    assert main(["check-certificate", file]) == 3
    assert "the checker does not know a:tunnel-second-tag.a.nfd:" in capfd.readouterr().out


def test_no_time_is_no_verdict(document: Document, tmp_path: Path) -> None:
    file = written(tmp_path, document)
    assert main(["-q", "check-certificate", file, "--time-limit", "0.001"]) == 3


def swapped(document: Document) -> Document:
    return {"a": document["b"], "b": document["a"]}


def other_text(document: Document) -> Document:
    name = document["a"]["file"]
    text = document["a"]["files"][name].replace("10.0.0.0/8", "10.0.0.0/9", 1)
    return {"a": {**document["a"], "files": {name: text}}}


def weaker(document: Document) -> Document:
    return {"relation": document["relation"][1:]}


def weaker_and_fewer(document: Document) -> Document:
    listed = ["(1) initially", "equal outputs", "(1) after packet", document["obligations"][-1]]
    return {"relation": document["relation"][1:], "obligations": listed}


def stronger(document: Document) -> Document:
    claim = {"keys": [], "holds": ["<", ["read", "clock", [], 0], ["const", "u64", 1000]]}
    extra = ["(3) initially", "(3) after packet"]
    return {
        "relation": [*document["relation"], claim],
        "obligations": [*document["obligations"], *extra],
    }


def fewer_obligations(document: Document) -> Document:
    return {"obligations": document["obligations"][1:]}


def no_obligations(document: Document) -> Document:
    return {"obligations": []}


TAMPERED = (
    swapped, other_text, weaker, weaker_and_fewer, stronger, fewer_obligations, no_obligations,
)  # fmt: skip


@pytest.mark.parametrize("change", TAMPERED, ids=lambda change: str(change.__name__))
def test_tampered_with(document: Document, change: Callable[[Document], Document]) -> None:
    """As it is, by its digest; and with a digest that fits, by the proof."""
    with pytest.raises(ChangedCertificate):
        read(json.dumps({**document, **change(document)}).encode())
    assert "refuted" in checked(signed(document, **change(document))).values()


def test_weaker_assumption(tmp_path: Path) -> None:
    """What holds of some traffic is not claimed of all."""
    (tmp_path / "a.nfd").write_text("program p { entry { action_flow { pass; } } }")
    entry = "entry { match_flow { f[dport] == 53 } action_flow { drop; } }"
    (tmp_path / "b.nfd").write_text(f"program p {{ {entry} }}")
    pair, file = [str(tmp_path / f"{side}.nfd") for side in "ab"], str(tmp_path / "cert.json")
    assert main(["-q", "certify", *pair, "-o", file, "--assume", "f[dport] != 53"]) == 0
    assert main(["-q", "check-certificate", file]) == 0
    document = json.loads(Path(file).read_text())
    options = {**document["options"], "assume": []}
    assert "refuted" in checked(signed(document, options=options)).values()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "something"}, "no certificate"),
        ({"version": 2}, "only version 1"),
        ({"more": 1}, "members"),
        ({"options": {}}, "options"),
        ({"relation": {}}, "no list"),
        ({"relation": [{"keys": [], "holds": ["key", 0]}]}, "no claim"),
        ({"relation": [{"keys": [], "holds": ["read", "a.none", [], 0]}]}, "no claim"),
        ({"relation": [{"keys": ["u0"], "holds": ["and"]}]}, "no type"),
        ({"relation": [{"keys": ["u32"], "holds": ["key", 0]}]}, "is needed"),
        ({"relation": [{"keys": [], "holds": ["match", "0" * 40]}]}, "no claim"),
        ({"obligations": [1]}, "no list of texts"),
        ({"a": {"file": "x", "name": None, "files": {}}}, "no texts"),
        ({"a": {"file": "../x", "name": None, "files": {"../x": ""}}}, "not plain"),
        ({"a": {"file": "/etc/passwd", "name": None, "files": {"/etc/passwd": ""}}}, "not plain"),
    ],
)
def test_odd_documents(document: Document, change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadCertificate, match=says):
        read(json.dumps(signed(document, **change)).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b"\xff", b"null", b"1e999", b'"\\ud800"', b"{}"]
)
def test_no_documents(data: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cert.json").write_bytes(data)
    assert main(["check-certificate", str(tmp_path / "cert.json")]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_files_of_the_disk_are_not_read(document: Document) -> None:
    text = 'import "../../etc/hosts.nfd"; program p { ruleset R = load("/etc/passwd.csv"); }'
    side = {"file": "a.nfd", "name": None, "files": {"a.nfd": text}}
    with pytest.raises(ModelError, match="leaves the model's folder"):
        read(json.dumps(signed(document, a=side)).encode())
