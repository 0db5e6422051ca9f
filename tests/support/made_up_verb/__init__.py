"""A new verb, as an engineer would add it to the product."""

HOLD = "hold"
PERMISSION = "hold_session"
CHECKPOINT = "session_held"
SQL = "INSERT INTO agent_session_verbs (verb, from_state, to_state) VALUES ('hold', 'active', 'paused')"
REMOVED = "DELETE FROM agent_session_verbs WHERE verb = 'hold'"
