"""`nfverify.compile`: a model made executable, with its fast path if that is wanted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from nfverify.cythonized import host

if TYPE_CHECKING:
    from nfverify.cythonized.build import UserC
    from nfverify.cythonized.host import NetworkFunction
    from nfverify.cythonized.options import Options
    from nfverify.fastpath.plan import Plan
    from nfverify.semantics.operators import Function
    from nfverify.smat.ir import Network


def compile(
    model: str | os.PathLike[str] | Network,
    *,
    options: Options | None = None,
    operators: Mapping[str, Function] | None = None,
    c_operators: UserC = (),
    non_ip: Literal["bypass", "drop"] = "bypass",
    workers: int = 1,
    fastpath: bool | Plan = False,
) -> NetworkFunction:
    """The model, a target (`edge.nfd`, `edge.nfd:nat`, `lib:edge`) or a network, made executable.

    A build is cached. `operators` are Python functions of the model's own operators, by name;
    `c_operators` the (name, text) of C files with others. With several `workers` the packets of one
    flow have one of them, and a model whose state can't be divided so is refused. `fastpath`: with
    a fast path by a plan, or by the one that is derived of the model. ModelError names the model's
    line, BuildError what is missing here.
    """
    from nfverify.smat.ir import Network

    if not isinstance(model, Network):
        from nfverify.smat.load import load

        model = load(os.fspath(model))
    plan: Plan | None = None
    if fastpath is True:
        from nfverify.equivalence.fastpath.derive import derive

        plan = derive(model)
    elif fastpath:
        plan = fastpath
    return host.compile(
        model,
        options=options,
        operators=operators,
        c_operators=c_operators,
        non_ip=non_ip,
        workers=workers,
        fastpath=plan,
    )
