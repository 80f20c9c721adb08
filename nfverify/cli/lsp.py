"""`nfverify lsp`: the language server, for editors."""

from __future__ import annotations

import argparse
import logging

from nfverify.cli.options import UsageError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `lsp`."""
    parser = subparsers.add_parser(
        "lsp",
        help="serve an editor: the language server",
        description="Serve an editor by the Language Server Protocol, over standard input and "
        "output: errors as you type, what a name means, where it is declared, renaming, the "
        "canonical form.",
        epilog="It needs the extra `editor`: pip install 'nfverify[editor]'.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--stdio", action="store_true", help="standard input and output (there is no other way)"
    )
    parser.add_argument("--log", action="store_true", help="say on standard error what goes on")


def run(args: argparse.Namespace) -> int:
    """Serve until the editor says `exit`. UsageError if the extra is missing."""
    try:
        from nfverify.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        what = "the language server needs pygls: pip install 'nfverify[editor]'"
        raise UsageError(what) from None
    logging.basicConfig(level=logging.INFO if args.log else logging.CRITICAL)
    return serve()
