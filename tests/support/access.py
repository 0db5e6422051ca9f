"""Access of callers who exist in no database."""

from sessions_app.permissions import VIEW, Access, labels

FULL = Access(frozenset(labels()))
WITHOUT_CONTENT = Access(frozenset({VIEW}))
