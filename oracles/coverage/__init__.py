"""What traffic reaches in a model: goals, and how they are told."""
