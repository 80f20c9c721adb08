"""Models as fast network functions in Python: `compile`, and what it returns.

nf = nfverify.compile("edge.nfd")
outputs = nf.process(frames, times)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from nfverify.cythonized.build import UserC, check_operators, load_library
from nfverify.cythonized.built import Built
from nfverify.cythonized.callbacks import PythonOperators
from nfverify.cythonized.library import COPIES, FORMAT, OPERATOR, RUNAWAY, Library, Output
from nfverify.cythonized.operators import user_applications
from nfverify.cythonized.options import Options
from nfverify.cythonized.view import StateView
from nfverify.fastpath.plan import Plan
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError, Source, Span
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState, Snapshot, latest_stamp
from nfverify.semantics.ticks import RunawayError
from nfverify.smat.ir import Delay, Network, SetOutput, walk

__all__ = ["NetworkFunction", "Options", "Output", "RunawayError", "compile"]


def compile(
    model: str | os.PathLike[str] | Network,
    *,
    options: Options | None = None,
    operators: Mapping[str, Function] | None = None,
    c_operators: UserC = (),
    non_ip: Literal["bypass", "drop"] = "bypass",
    workers: int = 1,
    fastpath: Plan | None = None,
) -> NetworkFunction:
    """The model, a target (`edge.nfd`, `edge.nfd:nat`, `lib:edge`) or a network, made executable.

    A build is cached. `operators` are Python functions of the model's own operators, by name;
    `c_operators` the (name, text) of C files with others. With several `workers` the packets of one
    flow have one of them, and a model whose state can't be divided so is refused. ModelError names
    the model's line, BuildError what is missing here. ValueError: `fastpath` is a plan of another
    network.
    """
    if not isinstance(model, Network):
        from nfverify.smat.load import load

        model = load(os.fspath(model))
    if fastpath is not None and fastpath.network is not model and fastpath.network != model:
        raise ValueError(f"the fast path is of another network: {fastpath.network.name}")
    check_operators(model, operators or {}, c_operators)
    if workers != 1:
        from nfverify.cythonized.sharding import shard_key
        from nfverify.cythonized.workers import ShardedFunction

        shard_key(model)  # before anything is built
    library = load_library(model, options or Options(), c_operators, fastpath)
    if workers != 1:
        return ShardedFunction(model, library, workers, operators=operators, non_ip=non_ip)
    return NetworkFunction(model, library, operators=operators, non_ip=non_ip)


class NetworkFunction(Built):
    """A compiled network with its state: packets in, packets out, as the reference semantics says.

    Calls release the GIL; one object is for one thread at a time.
    """

    def __init__(
        self,
        network: Network,
        library: Library,
        *,
        operators: Mapping[str, Function] | None = None,
        non_ip: Literal["bypass", "drop"] = "bypass",
    ) -> None:
        self.network = network
        self._python = PythonOperators(user_applications(network), operators or {})
        address = self._python.address
        super().__init__(library, drop_non_ip=non_ip == "drop", operators=address)

    @property
    def raised(self) -> BaseException | None:
        """What an operator in Python raised, until `failure` has handed it out."""
        return self._python.error

    @property
    def state(self) -> StateView:
        """The variables of every instance, to be read and set, saved and loaded."""
        return StateView(self)

    def snapshot(self) -> Snapshot:
        """A copy of every variable, equal to what the reference machine's `snapshot` returns."""
        return self.save().instances

    def save(self) -> SavedState:
        """All that a later run needs to go on from here, on this engine or the reference."""
        from nfverify.semantics.state_binary import load

        return load(self.network, self.save_binary(), self.network.name)

    def restore(self, state: SavedState | Snapshot) -> None:
        """Goes on from a saved state, or from a snapshot at the time of its latest stamp; what it
        doesn't mention begins as usual. ValueError for names the network doesn't have."""
        from nfverify.semantics.state_binary import dump

        if not isinstance(state, SavedState):
            state = SavedState(latest_stamp(self.network, state), state)
        self.load_binary(dump(self.network, state))

    def load_any(self, data: bytes, name: str) -> None:
        """Goes on from a state in the binary form or in JSON, as its content tells. ModelError."""
        from nfverify.semantics import state_binary, state_json

        if data.startswith(state_binary.MAGIC):
            self.load_binary(data, name)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            message = f"not a state: byte {error.start} is not UTF-8"
            span = Span(Source(name, ""), 0, 0)
            raise ModelError(Diagnostic("error", "state", message, span)) from error
        self.restore(state_json.load(self.network, text, name))

    def load_binary(self, state: bytes, name: str = "<state>") -> None:
        """As `Built.load_binary`; `name` is what messages call the state. ModelError."""
        from nfverify.semantics.state_binary import load

        error = self.library.calls.nf_load(self.core, state, len(state))
        if error == FORMAT:
            load(self.network, state, name)  # which says what is wrong, and where
            span = Span(Source(name, ""), 0, 0)
            raise ModelError(Diagnostic("error", "state", "not a state of this network", span))
        if error:
            self._fail(error)

    def failure(self, error: int) -> BaseException:
        """The exception for an error of a run, with the model's line where there is one."""
        match error:
            case _ if error == RUNAWAY:
                spans = [
                    node.span
                    for instance in self.network.instances
                    for node in walk(instance.program.body)
                    if isinstance(node, SetOutput) and isinstance(node.output, Delay)
                ]
                message = f"timers of {self.network.name} go on for ever between two packets"
                span = spans[0] if spans else NOWHERE
                return RunawayError(Diagnostic("error", "too-many-firings", message, span))
            case _ if error == COPIES:
                message = "copies of one packet went through over 1,048,576 NFs"
                return RunawayError(Diagnostic("error", "too-many-copies", message, NOWHERE))
            case _ if error == OPERATOR:
                raised, self._python.error = self._python.error, None
                return raised or super().failure(error)
        return super().failure(error)
