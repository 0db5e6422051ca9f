"""The tutor's conversation, stored under the id of its session."""

from typing import Any

from agent_sessions.conversation import ConversationConfig, get_session_manager


async def open_book(valkey_url: str | None) -> None:
    """Opens the store of conversations. Without Valkey turns stay in memory; the context holds the last ones anyway."""
    await get_session_manager(ConversationConfig(valkey_url=valkey_url, default_language="de"))


async def remember(session_id: str, turn: dict[str, Any], subject: str) -> None:
    await get_session_manager().add_turn_to_session(
        session_id,
        question=turn["answer"],
        answer=turn["reply"],
        resolved_question=f"{turn['question']} – {turn['answer']}",
        template_id=f"quiz.{subject}",
        slots={"fach": subject, "frage": turn["question"], "versuch": str(turn["attempt"])},
        results=[{"urteil": turn["verdict"]}],
    )
