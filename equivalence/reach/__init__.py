"""Goals of an instrumented network: traces that reach them, or proofs that none does.

A network is instrumented when its programs record a goal by assigning its number to REACHED, a set
that nothing reads: reference, symbolic semantics and induction then know goals without more.
"""
