"""Many kinds of writers on a few sessions during outages; a judge compares their logs with the data."""
