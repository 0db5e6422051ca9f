"""What the session system costs, each figure beside its peers. `python -m tools.bench` prints one table."""
