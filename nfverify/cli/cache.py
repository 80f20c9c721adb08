"""`nfverify cache`: what the cache of builds holds, and how to empty it."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `cache`."""
    parser = subparsers.add_parser(
        "cache",
        help="show or empty the cache of builds",
        description="Show or empty the cache of compiled models.",
        epilog="It lies in $XDG_CACHE_HOME/nfverify (else ~/.cache/nfverify), for you alone;"
        " NFVERIFY_CACHE_SIZE bounds it (default: 512M), and what was used longest ago goes first.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("info", "clear"), help="show it, or remove every build")


def run(args: argparse.Namespace) -> int:
    """Run the command; 0."""
    from nfverify.cythonized.cache import Cache

    cache = Cache()
    if args.action == "info":
        usage = cache.usage()
        print(f"{usage.folder}")
        print(f"{_builds(usage.entries)}, {_size(usage.size)} of {_size(usage.limit)}")
    else:
        usage = cache.clear()
        if not args.quiet:
            print(f"{_builds(usage.entries)} removed, {_size(usage.size)}")
    return 0


def _builds(count: int) -> str:
    return f"{count:,} build{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MB"
