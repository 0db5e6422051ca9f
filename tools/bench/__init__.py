"""Benchmarks of the session system beside its peers. `python -m tools.bench` prints one table."""
