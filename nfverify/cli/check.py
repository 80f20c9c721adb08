"""nfverify check FILE…: errors and warnings of models."""

from __future__ import annotations

import argparse
import json
import sys

OK, STRICT, WRONG = 0, 1, 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "check",
        help="report errors and warnings in models",
        description="Report all errors and warnings of models, without running them.",
        epilog="Exit codes: 0 no errors; 1 warnings, with --strict; 2 errors.",
        allow_abbrev=False,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="FILE.nfd, lib:NAME, or -")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings")
    parser.add_argument(
        "--no-solver", action="store_true", help="leave out what only a solver can tell"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    """Diagnostics on standard output, the summary on standard error."""
    from nfverify.equivalence.check import solver_checks
    from nfverify.lang.render import render
    from nfverify.smat.check import check_file

    checks = () if args.no_solver else (solver_checks,)
    found = [d for model in args.models for d in check_file(model, extra_checks=checks)]
    if args.format == "json":
        records = [
            {
                "severity": d.severity,
                "code": d.code,
                "file": d.span.source.name,
                "line": d.span.line,
                "column": d.span.column,
                "message": d.message,
                "hint": d.hint,
            }
            for d in found
        ]
        print(json.dumps({"version": 1, "diagnostics": records}, indent=2))
    else:
        print(render(found), end="")
    errors = sum(d.severity == "error" for d in found)
    warnings = len(found) - errors
    if not args.quiet and args.format == "text":
        print(_summary(len(args.models), errors, warnings), file=sys.stderr)
    if errors:
        return WRONG
    return STRICT if warnings and args.strict else OK


def _summary(models: int, errors: int, warnings: int) -> str:
    what = f"{models} model{'s' * (models != 1)}"
    if not errors and not warnings:
        return f"{what}: no errors, no warnings"
    return f"{what}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
