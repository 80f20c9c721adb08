"""`nfverify fmt`: models in the canonical form, with their comments."""

from __future__ import annotations

import argparse
import os
import sys

from nfverify.packet.files import STANDARD, replacing


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `fmt`."""
    parser = subparsers.add_parser(
        "fmt",
        help="write models in the canonical form",
        description="Rewrite models in the canonical form, in place; comments are kept.",
        epilog="- reads standard input and writes standard output. "
        "A file with errors is left as it is (exit 2).",
        allow_abbrev=False,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a model, or -")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; name the files that would change, exit 1 if there are any",
    )


def run(args: argparse.Namespace) -> int:
    """Format each file; errors in one do not keep the others from being formatted."""
    from nfverify.lang.formatter import format_text
    from nfverify.lang.parser import read_source
    from nfverify.lang.render import render
    from nfverify.lang.source import ModelError
    from nfverify.lang.visible import one_line

    failed = changed = False
    for name in args.files:
        try:
            source = read_source(name)
            text = format_text(source)
        except ModelError as error:
            print(render(error.diagnostics), end="", file=sys.stderr)
            failed = True
            continue
        if args.check:
            if text != source.text:
                changed = True
                print(f"{one_line(source.name)} would be reformatted")
        elif name == STANDARD:
            sys.stdout.write(text)
        elif text != source.text:
            _rewrite(name, text)
            if not args.quiet:
                print(f"{one_line(name)} reformatted", file=sys.stderr)
    return 2 if failed else int(changed)


def _rewrite(name: str, text: str) -> None:
    """The new text in place of the old, at once, with the file's permissions."""
    with replacing(name) as stream:
        os.fchmod(stream.fileno(), os.stat(name).st_mode & 0o7777)
        stream.write(text.encode())
