"""First-order mutants of a model, and how many of them a suite notices."""
