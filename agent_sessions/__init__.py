"""The shared session manager. Agents and the dashboard both use it; it knows nothing of Django."""
