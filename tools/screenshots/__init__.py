"""Pictures of every page on real data: `python -m tools.screenshots`, or `make screenshots`."""
