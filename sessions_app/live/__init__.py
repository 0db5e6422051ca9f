"""The live feed: one hub per web process receives changes and heartbeats and updates open pages."""
