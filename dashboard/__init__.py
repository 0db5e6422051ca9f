"""The project: settings, URLs, servers. Wiring only; sessions are defined in agent_sessions."""
