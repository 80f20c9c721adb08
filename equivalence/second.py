"""A second solver in a process of its own: scripts come in, answers go out.

Run as a file, never imported by the prover: it needs nothing of nfverify, so that no fault of
nfverify's own can be in what it says. Messages are a length of 8 bytes, then the bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import BinaryIO

LENGTH_BYTES = 8


def by_cvc5(script: str) -> str:
    """cvc5's answer to a script with one `check-sat`."""
    import cvc5

    solver = cvc5.Solver(cvc5.TermManager())
    symbols = cvc5.SymbolManager(solver)
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "script")
    answers = []
    while not (command := parser.nextCommand()).isNull():
        answers.append(str(command.invoke(solver, symbols)).strip())
    return " ".join(filter(None, answers))


def by_bitwuzla(script: str) -> str:
    """Bitwuzla's answer to a script with one `check-sat`."""
    import bitwuzla

    terms, options = bitwuzla.TermManager(), bitwuzla.Options()
    parser = bitwuzla.Parser(terms, options)
    parser.parse(script.replace("(check-sat)", ""), True, False)
    return str(parser.bitwuzla().check_sat()).rpartition(".")[2].lower()


SOLVERS: dict[str, Callable[[str], str]] = {"cvc5": by_cvc5, "bitwuzla": by_bitwuzla}


def serve(solve: Callable[[str], str], source: BinaryIO, sink: BinaryIO) -> None:
    """Answers scripts until there are no more."""
    while len(head := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
        script = source.read(int.from_bytes(head, "big")).decode()
        try:
            said = solve(script)
        except Exception as error:
            said = f"error: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        data = said.encode()
        sink.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        sink.flush()


if __name__ == "__main__":
    serve(SOLVERS[sys.argv[1]], sys.stdin.buffer, sys.stdout.buffer)
