"""What the session system costs, each figure beside its peers. `python -m bench` prints one table."""
