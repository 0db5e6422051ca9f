"""The dashboard's settings, but browsers may cache static files, as in production."""

from dashboard.settings import *  # noqa: F403

WHITENOISE_MAX_AGE = 3600
