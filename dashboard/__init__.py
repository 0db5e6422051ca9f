"""The project: settings, addresses, servers. Wiring only; what a session is stands elsewhere."""
