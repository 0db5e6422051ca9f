"""The feed's URL, below the path prefix."""

FEED = "ws/sessions/"
