"""Screenshots of every page with real data: `python -m tools.screenshots`, or `make screenshots`."""
