"""Checks certificates of equivalence. It shares the parser and the IR with the prover, but neither
the search for a relation nor the encoding; it is small, so that it can be read."""
