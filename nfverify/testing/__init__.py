"""The pytest plugin: fixtures, test files in TOML, property tests over traces."""
