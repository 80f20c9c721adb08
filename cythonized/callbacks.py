"""The user's operators in Python, as functions that compiled code calls."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

from nfverify.semantics.operators import Function, resolve
from nfverify.smat.ir import Apply, Bits, Bool, Bytes, Type, Value, wrap

_SLOT = 16  # bytes of an argument or a result
_CALL = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)


class PythonOperators:
    """What nf_core.operators points at, for `user_applications(network)` in their order.

    An application without a function is left out: it has to be one in C. Where one raises, the run
    ends with NF_OPERATOR and `error` is why. To be kept as long as the state.
    """

    def __init__(self, applications: Sequence[Apply], user: Mapping[str, Function]) -> None:
        self.error: BaseException | None = None
        self._kept = b""
        self._calls = [
            _CALL(self._call(node, resolve(node, user))) if node.op in user else None
            for node in applications
        ]
        self._table = (ctypes.c_void_p * max(1, len(applications)))()
        for index, made in enumerate(self._calls):
            if made is not None:
                self._table[index] = ctypes.cast(made, ctypes.c_void_p)

    @property
    def address(self) -> int:
        """For nf_core.operators."""
        return ctypes.addressof(self._table)

    def _call(self, node: Apply, function: Function) -> Function:
        types = [arg.type for arg in node.args]

        def call(arguments: int, result: int) -> int:
            try:
                given = ctypes.string_at(arguments, _SLOT * len(types))
                slots = [given[at : at + _SLOT] for at in range(0, len(given), _SLOT)]
                made = function(*map(_value, slots, types))
                ctypes.memmove(result, self._slot(made), _SLOT)
            except BaseException as error:  # through C it would be lost, Ctrl-C too
                self.error = error
                return 1
            return 0

        return call

    def _slot(self, value: Value) -> bytes:
        if not isinstance(value, bytes):
            return (int(value) & (1 << 8 * _SLOT) - 1).to_bytes(_SLOT, "little")
        self._kept = value
        address = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p).value or 0
        return address.to_bytes(8, "little") + len(value).to_bytes(8, "little")


def _value(slot: bytes, type_: Type) -> Value:
    number = int.from_bytes(slot, "little")
    match type_:
        case Bool():
            return bool(number)
        case Bits():
            return wrap(number, type_)
        case Bytes():
            length = number >> 64
            return ctypes.string_at(number & (1 << 64) - 1, length) if length else b""
