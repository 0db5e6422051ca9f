"""Demo agents that do real work with `agent_sessions`, so that the dashboard shows real data."""
