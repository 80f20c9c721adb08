"""The gate: all checks that a repository asks for, in one run."""
