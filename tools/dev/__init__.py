"""The dashboard of `make run`, started again as its files change: `python -m tools.dev`, or `make dev`."""
