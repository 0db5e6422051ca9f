"""One order for many sessions, on the server: planned on a pinned set, worked off in the background."""
