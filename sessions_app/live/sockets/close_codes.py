"""Codes with which the server closes a socket; the browser decides by them whether to reconnect.

All from 4000 up: daphne refuses to send the standard's codes (1009, 1013) for an application.
"""

MALFORMED = 4400
NOT_LOGGED_IN = 4401
NOT_ALLOWED = 4403
NO_ACKNOWLEDGEMENT = 4408
RESTORED = 4410
FLOOD = 4429
TOO_LARGE = 4413
TRY_AGAIN_LATER = 4503

REASONS = {
    NOT_LOGGED_IN: "not logged in",
    NOT_ALLOWED: "not allowed to look at sessions",
    RESTORED: "the database was restored or failed over",
    TRY_AGAIN_LATER: "the database cannot be reached",
}
