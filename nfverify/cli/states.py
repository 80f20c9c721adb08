"""States in files: JSON, or the binary form where the name ends in .bin; read by their content."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.options import UsageError
from nfverify.packet.files import STANDARD

if TYPE_CHECKING:
    from nfverify.semantics.state import SavedState
    from nfverify.smat.ir import Network

BINARY = ".bin"
MAX_BYTES = 4 << 30
MAX_JSON_BYTES = 256 << 20


def read(file: str) -> bytes:
    """The content of a file of `--from`. OSError, UsageError."""
    stream = sys.stdin.buffer if file == STANDARD else Path(file).open("rb")  # noqa: SIM115
    with stream:
        data = stream.read(MAX_BYTES + 1)
    limit = MAX_BYTES if data.startswith(b"NFVSTATE") else MAX_JSON_BYTES
    if len(data) > limit:
        raise UsageError(f"{file}: a state of over {limit >> 20} MB")
    return data


def decode(network: Network, data: bytes, file: str) -> SavedState:
    """The state in a file's content, whichever the form. ModelError, UsageError."""
    from nfverify.semantics import state_binary, state_json

    if data.startswith(state_binary.MAGIC):
        return state_binary.load(network, data, file)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: byte {error.start}: not UTF-8") from error
    return state_json.load(network, text, file)


def is_binary(file: str) -> bool:
    """Is a file of this name written in the binary form?"""
    return file.endswith(BINARY)


def encode(network: Network, state: SavedState, file: str) -> bytes:
    """What goes into a file of `--state`, in the form that its name asks for."""
    from nfverify.semantics import state_binary, state_json

    if is_binary(file):
        return state_binary.dump(network, state)
    return state_json.dump(network, state).encode()
