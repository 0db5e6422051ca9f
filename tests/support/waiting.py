"""How long a test waits for a fact: no assertion on wall time, only the end of a test that would wait for ever."""

HANGS = 180.0
"""Seconds. Nothing that a test waits for comes near it, on however busy a machine."""
