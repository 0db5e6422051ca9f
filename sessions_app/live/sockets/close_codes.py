"""Codes with which the server closes a socket; the browser decides by them whether to reconnect.

Those that the application sends are from 4000 up: daphne refuses the standard's codes (1009, 1013).
"""

MALFORMED = 4400
NOT_LOGGED_IN = 4401
NOT_ALLOWED = 4403
NO_ACKNOWLEDGEMENT = 4408
RESTORED = 4410
RIGHTS_CHANGED = 4411
FLOOD = 4429
TOO_LARGE = 4413
TRY_AGAIN_LATER = 4503
MESSAGE_TOO_BIG = 1009  # sent by daphne itself or by a proxy, never by the application

# What a page does after a code; after all others it connects again soon. Pages get these in _addresses.html.
LOG_IN = (NOT_LOGGED_IN,)
RELOAD = (RIGHTS_CHANGED,)
WAIT_LONGER = (MALFORMED, TOO_LARGE, FLOOD, MESSAGE_TOO_BIG)

REASONS = {
    NOT_LOGGED_IN: "not logged in",
    RIGHTS_CHANGED: "the rights of the account have changed",
    RESTORED: "the database was restored or failed over",
    TRY_AGAIN_LATER: "the database cannot be reached",
}
