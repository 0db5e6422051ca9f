"""Outages and kills on real servers: each acknowledged write must be stored exactly once."""
