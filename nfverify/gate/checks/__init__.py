"""The checks of a gate, each a function from what the config says to a result."""
