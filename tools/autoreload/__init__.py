"""Runs `make run` and restarts its programs when files change.

`python -m tools.autoreload`, or `make dev`.
"""
