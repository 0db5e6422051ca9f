"""Names of keys in Valkey that old agents, access rules and the manual use."""

from __future__ import annotations

from agent_sessions.keys import CONVERSATIONS, NAMESPACE, ConversationKeys, Keys


def test_older_agents_find_a_session_under_the_name_that_they_know() -> None:
    keys = Keys(NAMESPACE)
    assert keys.copy("1") == "breakpilot:session:1"
    assert keys.former_changes("1") == "breakpilot:session:1:changes"


def test_what_belongs_to_a_session_has_its_key_as_hash_tag() -> None:
    keys = Keys(NAMESPACE)
    assert keys.version("1") == "{breakpilot:session:1}:version"
    assert keys.changes("1") == "{breakpilot:session:1}:changes"


def test_a_namespace_with_a_hash_tag_of_its_own_gets_no_second_one() -> None:
    assert Keys("{tutors}").version("1") == "{tutors}:session:1:version"


def test_what_all_sessions_share_has_one_name_each() -> None:
    keys = Keys(NAMESPACE)
    assert keys.heartbeats == "breakpilot:heartbeats"
    assert keys.beats == "breakpilot:beats"
    assert keys.beat_count(10) == "breakpilot:beats:count:10"
    assert keys.sessions == "breakpilot:sessions"
    assert keys.listening == "breakpilot:listening"


def test_what_web_processes_keep_stands_below_one_prefix() -> None:
    keys = Keys(NAMESPACE)
    names = (keys.web_cache, keys.present("1"), keys.health("x"))
    assert all(name.startswith("breakpilot:web:") for name in names)


def test_a_conversation_is_stored_under_the_prefix_and_its_id() -> None:
    keys = ConversationKeys(CONVERSATIONS)
    assert keys.text("c") == "heritage:session:c"
    assert keys.about("c") == "heritage:session:c#about"
    assert (keys.index, keys.store) == ("heritage:session:index", "heritage:session:store")
    assert keys.changes == "heritage:session:changes"
