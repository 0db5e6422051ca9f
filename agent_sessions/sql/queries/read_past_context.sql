SELECT context FROM agent_session_contexts WHERE session_id = %(id)s AND context_version = %(version)s
