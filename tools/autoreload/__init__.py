"""The dashboard of `make run`, started again as its files change: `python -m tools.autoreload`, or `make dev`."""
