"""The dashboard with one verb more."""

from dashboard.settings import *  # noqa: F403

INSTALLED_APPS.insert(0, "tests.support.made_up_verb.apps.MadeUpVerb")  # noqa: F405
