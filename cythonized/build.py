"""From a network to a library: what is cached is loaded, else it is generated and compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from nfverify.cythonized.cache import Cache
from nfverify.cythonized.compiler import SHARED, Unit, link_library, shared_object, to_c
from nfverify.cythonized.fingerprint import fingerprint, shared_fingerprint
from nfverify.cythonized.library import Library
from nfverify.cythonized.operators import c_source, user_applications
from nfverify.cythonized.options import Options
from nfverify.fastpath.plan import Plan
from nfverify.semantics.operators import Function, resolve
from nfverify.smat.ir import Apply, Network

UserC = Sequence[tuple[str, str]]  # name and text of each C file of operators


def unit(network: Network, options: Options, user: UserC = (), fast: Plan | None = None) -> Unit:
    """The generated sources of a network."""
    from nfverify.cythonized.generate import generate

    made = generate(network, options, fast)
    sources = tuple((name, c_source(network, name, text)) for name, text in user)
    return Unit(made.name, made.pyx, made.header, tuple(made.libraries), sources)


def check_operators(network: Network, python: Mapping[str, Function], c: UserC) -> None:
    """ModelError for an operator of the model's own that neither Python nor a C file defines."""
    for node in lacking(network, c):
        resolve(node, python)


def lacking(network: Network, c: UserC) -> list[Apply]:
    """Calls of the model's own operators that no C file defines."""
    return [
        node
        for node in user_applications(network)
        if not any(re.search(rf"\b{re.escape(node.op)}\s*\(", text) for _, text in c)
    ]


def load_library(
    network: Network, options: Options, user: UserC = (), fast: Plan | None = None
) -> Library:
    """The network as a library, from the cache or built into it. BuildError, ModelError."""
    key = fingerprint(network, options, user, fast)
    cache = Cache()
    make = partial(_make, cache, network, options, user, fast)
    try:
        return Library(cache.library(key, make))
    except OSError:  # another process made room before it was loaded, or the disk is odd
        return Library(cache.library(key, make))


def _make(
    cache: Cache,
    network: Network,
    options: Options,
    user: UserC,
    fast: Plan | None,
    folder: Path,
) -> Path:
    with ThreadPoolExecutor(len(SHARED)) as pool:  # gcc beside Cython, the first time
        shared = [
            pool.submit(
                cache.object,
                shared_fingerprint(name, options),
                partial(shared_object, name, sanitize=options.sanitize),
            )
            for name in SHARED
        ]
        sources = unit(network, options, user, fast)
        to_c(sources, folder)
        objects = [each.result() for each in shared]
        return link_library(sources, folder, objects, sanitize=options.sanitize)
