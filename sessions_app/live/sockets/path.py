"""Where the feed stands, below the path prefix."""

FEED = "ws/sessions/"
