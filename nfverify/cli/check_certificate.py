"""`nfverify check-certificate`: a certificate of equivalence proved again, by another checker."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nfverify.cli.options import MODEL, UsageError, add_limits

if TYPE_CHECKING:
    from nfverify.smat.certificate import Certificate
    from nfverify.smat.ir import Network

_EPILOG = """\
Exit codes: 0 valid, 1 not valid (changed, of other models, or something does not follow), 2 the
command is wrong or the file is no certificate, 3 not decided (time ran out, or a construct that the
checker knows nothing of), 130 Ctrl-C."""
_CODE = {"valid": 0, "invalid": 1, "unknown": 3}


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a certificate: the obligations with their answers, and why it is not valid."""

    verdict: str  # valid, invalid, unknown
    findings: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `check-certificate`."""
    parser = subparsers.add_parser(
        "check-certificate",
        help="check a certificate of equivalence",
        description="Prove again what a certificate says, with a small checker that shares neither"
        " the search for a relation nor the encoding with the prover.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("certificate", metavar="CERT", help="what `nfverify certify` wrote; - is standard input")
    what = f"the model that it must be about, {MODEL} (default: the text in the certificate)"
    add("a", metavar="A", nargs="?", help=what)
    add("b", metavar="B", nargs="?", help="and the other one")
    add_limits(parser, "answer")
    add("--format", choices=("text", "json"), default="text", help="(default: text)")


def run(args: argparse.Namespace) -> int:
    """Run the command; 0 only if every obligation is proved."""
    started = time.monotonic()
    if args.a is not None and args.b is None:
        raise UsageError("name both models, or none")
    from nfverify.smat.certificate import BadCertificate, ChangedCertificate, read

    try:
        certificate = read(_bytes(args.certificate))
    except ChangedCertificate as error:
        return _say(args, None, Checked("invalid", (), str(error)))
    except BadCertificate as error:
        raise UsageError(f"{args.certificate}: {error}") from None
    others = _others(args, certificate)
    if others:
        return _say(args, certificate, Checked("invalid", (), others))
    return _say(args, certificate, _checked(args, certificate, started))


def _bytes(file: str) -> bytes:
    from nfverify.smat.certificate import MAX_BYTES

    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(file).open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _others(args: argparse.Namespace, certificate: Certificate) -> str:
    """Which of the models that were named is another one than in the certificate."""
    if args.a is None:
        return ""
    from nfverify.cli.options import load_pair

    given = load_pair(args.a, args.b)
    both: list[tuple[str, Network, Network]] = [
        (args.a, given[0], certificate.a), (args.b, given[1], certificate.b)
    ]  # fmt: skip
    other = [name for name, network, certified in both if network != certified]
    return f"it is about other models than {' and '.join(other)}" if other else ""


def _checked(args: argparse.Namespace, certificate: Certificate, started: float) -> Checked:
    from nfverify.cli.equiv import progress
    from nfverify.equivalence.supervise import Known, Notify, supervised

    def answer(notify: Notify, known: Known) -> Checked:
        from nfverify.checker.check import Check
        from nfverify.checker.semantics import Unchecked

        findings: list[tuple[str, str]] = []
        try:
            for name, found in Check(certificate, started + args.time_limit).findings():
                notify(name)
                findings.append((name, found))
        except Unchecked as error:
            return Checked("unknown", tuple(findings), f"the checker does not know {error}")
        except RecursionError:
            return Checked("unknown", tuple(findings), "the models are nested too deeply")
        wrong = [name for name, found in findings if found == "refuted"]
        open_ = [name for name, found in findings if found == "unknown"]
        if wrong:
            return Checked("invalid", tuple(findings), f"{wrong[0]}: it does not follow")
        if open_:
            return Checked("unknown", tuple(findings), f"{open_[0]}: not decided in time")
        return Checked("valid", tuple(findings))

    def unknown(reason: str, depth: int) -> Checked:
        return Checked("unknown", (), reason)

    with progress(args.quiet) as notify:
        return supervised(
            answer, unknown, args.time_limit, started, memory=args.memory_limit, notify=notify
        )


# Output -----------------------------------------------------------------------------------


def _say(args: argparse.Namespace, certificate: Certificate | None, checked: Checked) -> int:
    from nfverify.lang.visible import one_line as plain

    if args.format == "json":
        print(json.dumps(_document(args, certificate, checked), indent=2))
        return _CODE[checked.verdict]
    file = plain(args.certificate)
    if checked.verdict != "valid" or certificate is None:
        print(f"{checked.verdict}: {file}: {plain(checked.reason)}")
    else:
        a, b = map(plain, certificate.names)
        print(f"valid: {file}: {a} and {b} do the same for every sequence of packets")
    if certificate is not None and not args.quiet:
        print("\n" + "\n".join(map(plain, _about(certificate))))
        if checked.findings:
            print("\nObligations:")
            print("\n".join(f"  {found:8}  {plain(name)}" for name, found in checked.findings))
    return _CODE[checked.verdict]


def _about(certificate: Certificate) -> list[str]:
    """What it says, in lines."""
    from nfverify.equivalence.ports import port_notes

    options = certificate.options
    compared = "every packet that comes out: time, port, order, fields"
    if options.state:
        compared += "; " + ", ".join(f"{a} and {b}" for a, b, _ in options.state)
    lines = [
        f"  a           {certificate.names[0]}",
        f"  b           {certificate.names[1]}",
        f"  compared    {compared}",
    ]
    if options.ignore:
        lines.append(f"  ignored     {', '.join(options.ignore)}, and the checksums over them")
    lines += [f"  assuming    {text} (of every arriving packet)" for text in options.assumed]
    lines += [f"  but         {note}" for note in port_notes(certificate.a, certificate.b)]
    how = "are dropped (drop)" if options.drop_non_ip else "pass by (bypass)"
    return [*lines, f"  non-IP      frames that are not IP {how}"]


def _document(
    args: argparse.Namespace, certificate: Certificate | None, checked: Checked
) -> dict[str, Any]:
    names = (None, None) if certificate is None else certificate.names
    return {
        "version": 1,
        "verdict": checked.verdict,
        "certificate": args.certificate,
        "a": names[0],
        "b": names[1],
        "reason": checked.reason or None,
        "obligations": [{"name": name, "result": found} for name, found in checked.findings],
    }
