"""Pictures of every page on real data: `python -m screenshots`, or `make screenshots`."""
