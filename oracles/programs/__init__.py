"""Random programs and networks, for engines to be tested with."""
