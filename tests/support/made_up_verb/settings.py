"""The dashboard's settings with the new verb."""

from dashboard.settings import *  # noqa: F403

INSTALLED_APPS.insert(0, "tests.support.made_up_verb.apps.MadeUpVerb")  # noqa: F405
