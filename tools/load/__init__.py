"""Real agents and real pages on one dashboard, and how fast what the agents do comes onto the pages."""
