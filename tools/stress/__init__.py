"""Many kinds of writers on a few sessions, under outages; afterwards a judge compares their logs with PostgreSQL."""
