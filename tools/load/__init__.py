"""Real agents and pages on one dashboard, with the latency from an agent's change to the pages."""
