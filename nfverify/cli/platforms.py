"""`nfverify platforms`: where networks can run, what each needs, and what is here of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from nfverify.lang.visible import one_line, several_lines

if TYPE_CHECKING:
    from nfverify.oracles.platforms.platform import Platform
    from nfverify.oracles.platforms.registry import Broken

VERSION = 1
_EPILOG = """\
`nfverify build MODEL --platform P -o DIR` writes a model's sources for a platform, `nfverify run
--engine P` runs it there, `nfverify test --engines reference,P` tests it there. Installed packages
add platforms by entry points of the group nfverify.platforms.

Exit codes: 0, or 2 if a package's platform is broken."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `platforms`."""
    parser = subparsers.add_parser(
        "platforms",
        help="list the platforms, and what each needs",
        description="List where networks can run, and whether this machine has what that needs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="(default: text)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; 0, or 2 if a platform is broken."""
    from nfverify.oracles.platforms.registry import Broken, every

    found = every()
    if args.format == "json":
        sys.stdout.write(json.dumps(_document(found), indent=2) + "\n")
    else:
        sys.stdout.write(several_lines("\n".join(_lines(found)) + "\n"))
    broken = [each for each in found.values() if isinstance(each, Broken)]
    for each in broken:
        print(f"nfverify: error: {one_line(str(each))}", file=sys.stderr)
    return 2 if broken else 0


def _lines(found: Mapping[str, Platform | Broken]) -> Iterator[str]:
    from nfverify.oracles.platforms.registry import Broken

    width = max(map(len, found))
    for name, each in found.items():
        if isinstance(each, Broken):
            yield f"{name:{width}}  {'broken':9}  of {each.package}"
            continue
        missing = each.missing()
        yield f"{name:{width}}  {'missing' if missing else 'present':9}  {each.text}"
        for need in each.needs:
            hint = f": apt-get install {need.package}" if need.package else ""
            state = f"missing{hint}" if need in missing else "here"
            yield f"{'':{width}}  {'':9}    {need.what} ({state})"


def _document(found: Mapping[str, Platform | Broken]) -> dict[str, object]:
    from nfverify.oracles.platforms.registry import Broken

    rows: list[dict[str, object]] = []
    for name, each in found.items():
        if isinstance(each, Broken):
            rows.append({"name": name, "package": each.package, "broken": each.why})
            continue
        missing = each.missing()
        needs = [
            {"what": need.what, "package": need.package, "present": need not in missing}
            for need in each.needs
        ]
        row = {"name": name, "text": each.text, "present": not missing, "live": each.lives}
        rows.append({**row, "needs": needs})
    return {"version": VERSION, "platforms": rows}
