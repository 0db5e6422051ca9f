"""Outages and kills on real servers and real processes: what was acknowledged must stay, once."""
