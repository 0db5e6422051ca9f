"""Why the server closes a socket. The browser decides by the code whether to come back."""

MALFORMED = 4400
NOT_LOGGED_IN = 4401
NOT_ALLOWED = 4403
NO_ACKNOWLEDGEMENT = 4408
FLOOD = 4429
TOO_LARGE = 1009
TRY_AGAIN_LATER = 1013

REASONS = {
    NOT_LOGGED_IN: "not logged in",
    NOT_ALLOWED: "not allowed to look at sessions",
    TRY_AGAIN_LATER: "the database cannot be reached",
}
