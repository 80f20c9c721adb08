"""The terms of the symbolic semantics evaluated at concrete states and packets: the oracle."""
