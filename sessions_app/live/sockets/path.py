"""The feed's address, below the path prefix."""

FEED = "ws/sessions/"
