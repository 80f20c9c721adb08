"""Networks that are too large for one BPF program: refused by name, as what can't be expressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from nfverify.cythonized.faults import BuildError, GeneratedCodeError
from nfverify.oracles.platforms.platform import refuse
from nfverify.smat.ir import Network

# What clang and the verifier say of a program that is right, but too much.
_LIMITS = re.compile(
    r"BPF stack limit of 512 bytes is exceeded|combined stack size of \d+ calls is \d+"
    r"|BPF program is too large|The sequence of \d+ jumps is too complex",
)


@contextmanager
def refusing(network: Network) -> Iterator[None]:
    """ModelError in the place of what clang or the kernel says of a program that is too large."""
    try:
        yield
    except (BuildError, GeneratedCodeError) as error:
        found = _LIMITS.search(str(error))
        if found is None:
            raise
        what = f"a program as large as {network.name}"
        span = network.instances[0].program.span
        raise refuse("xdp", what, span, f"the kernel's limit: {found[0]}") from error
