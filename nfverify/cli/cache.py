"""`nfverify cache`: what the cache of builds and results holds, and how to empty it."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `cache`."""
    parser = subparsers.add_parser(
        "cache",
        help="show or empty the cache of builds and results",
        description="Show or empty the cache of compiled models and of results of `nfverify gate`.",
        epilog="It lies in $XDG_CACHE_HOME/nfverify (else ~/.cache/nfverify), for you alone;"
        " NFVERIFY_CACHE_SIZE bounds it (default: 512M), and what was used longest ago goes first.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("info", "clear"), help="show it, or remove all of it")


def run(args: argparse.Namespace) -> int:
    """Run the command; 0."""
    from nfverify.cythonized.cache import Cache
    from nfverify.gate.cache import Cache as Results
    from nfverify.lang.visible import one_line

    cache, results = Cache(), Results.default()
    if args.action == "info":
        usage = cache.usage()
        print(one_line(str(usage.folder)))
        print(f"{_builds(usage.entries)}, {_size(usage.size)} of {_size(usage.limit)}")
        count, size = results.usage()
        print(f"{_results(count)}, {_size(size)}")
    else:
        usage = cache.clear()
        count, size = results.clear()
        if not args.quiet:
            print(f"{_builds(usage.entries)} removed, {_size(usage.size)}")
            print(f"{_results(count)} removed, {_size(size)}")
    return 0


def _builds(count: int) -> str:
    return f"{count:,} build{'' if count == 1 else 's'}"


def _results(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'} of results of checks"


def _size(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MB"
