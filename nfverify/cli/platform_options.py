"""Options of the commands that build and run models on platforms, and what they stand for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nfverify.cli.fast_options import fast_plan
from nfverify.cli.options import UsageError, build_options, split_operators

if TYPE_CHECKING:
    from nfverify.oracles.platforms.platform import Build, Platform
    from nfverify.smat.ir import Network

MAX_CAPACITY = 1 << 24  # keys
_OPTION = re.compile(r"([a-z][a-z0-9-]*)=(.*)", re.ASCII | re.DOTALL)


def add_capacity(parser: argparse.ArgumentParser) -> None:
    """`--capacity`."""
    what = "keys that a table without `max` may hold, where tables don't grow (xdp)"
    parser.add_argument("--capacity", type=_capacity, metavar="N", help=what)


def _capacity(text: str) -> int:
    """How many keys: what memory of the kernel's may well have."""
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 0 < int(text) <= MAX_CAPACITY):
        raise argparse.ArgumentTypeError(f"{text!a} is no number from 1 to {MAX_CAPACITY}")
    return int(text)


def found_platform(name: str) -> Platform:
    """The platform of that name. PlatformError."""
    from nfverify.oracles.platforms.registry import platform

    return platform(name)


def build_of(args: argparse.Namespace, network: Network, *, sanitize: bool = False) -> Build:
    """What the options say that is built. UsageError, ModelError."""
    from nfverify.oracles.platforms.platform import Build

    python, user = split_operators(args.ops)
    if python:
        raise UsageError(f"{python[0]}: a platform needs operators in C: FILE.c")
    options = replace(build_options(args), sanitize=sanitize)
    plan = fast_plan(args, network)
    return Build(network, options, tuple(user), plan, args.capacity)


def platform_options(texts: list[str], platform: Platform) -> Mapping[str, str]:
    """What `--option NAME=VALUE` gives to a platform. UsageError for what it doesn't have."""
    found: dict[str, str] = {}
    known = f"it has {', '.join(platform.options)}" if platform.options else "it has none"
    for text in texts:
        match = _OPTION.fullmatch(text)
        if match is None:
            raise UsageError(f"--option {text!a} is not NAME=VALUE")
        if match[1] not in platform.options:
            raise UsageError(f"{platform.name} has no option {match[1]!a}; {known}")
        found[match[1]] = match[2]
    return found
