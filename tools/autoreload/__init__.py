"""`make dev`: runs what `make run` starts, and restarts its programs when files change."""
