"""Bulk orders: one order for many sessions, planned on a pinned set and executed in the background."""
