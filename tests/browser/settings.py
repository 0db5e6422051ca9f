"""The dashboard's settings; browsers keep static files, as they do in production."""

from dashboard.settings import *  # noqa: F403

WHITENOISE_MAX_AGE = 3600
