"""Agents that do real work with `agent_sessions`, so that the dashboard has something true to show."""
