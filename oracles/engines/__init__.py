"""What runs a trace: the reference, the symbolic semantics, builds, commands."""
