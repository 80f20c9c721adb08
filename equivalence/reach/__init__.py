"""Reachability of goals by one network: traces found, or proofs that there is none."""
