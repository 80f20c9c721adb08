"""Checks certificates of equivalence, independently of how they were found.

It shares the parser and the IR with the prover, but neither the search for a relation nor the
encoding. It is small, so that it can be read; what it can't check it refuses (`Unchecked`).
"""
