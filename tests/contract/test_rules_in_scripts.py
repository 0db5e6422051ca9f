"""Scripts hold no rule of the server's: states, verbs, close codes, patterns and limits reach them as data."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.template.loader import get_template
from django.test import RequestFactory
from django.utils import translation
from django.utils.html import escape

from dashboard.environment import BASE_DIR
from sessions_app import choices
from sessions_app.health import CONDITIONS
from sessions_app.listed_states import LISTED_STATES
from sessions_app.rendering.script_rules import RULES
from sessions_app.selectors.search import looks_like_id
from sessions_app.templatetags.sessions import THEMES

SCRIPTS = BASE_DIR / "static" / "js"
VERBS = {word for verb in choices.VERBS.values() for word in (verb.name, verb.noun)}
NAMES = {*LISTED_STATES, *CONDITIONS, *VERBS, *THEMES}

# A word of another meaning.
OWN_NAMES = {"list/complete.js": ["completions"]}  # the element that lists them
# Numbers that only the page needs: how often it fetches, how long it waits, how it draws.
OWN_NUMBERS = {
    "core/blind_gaps.js": {"WORTH_SAYING", "SAID_FOR"},
    "core/clock.js": {"SLICES"},
    "core/feed.js": {"FIRST_WAIT", "LONGEST_WAIT", "OFFLINE_AFTER", "ASK_AGAIN_AFTER", "RELOAD_AFTER"},
    "core/heartbeat_gaps.js": {"KEPT"},
    "core/job.js": {"WHILE_RUNNING", "WHILE_CONFIRMING"},
    "core/spans.js": {"MINUTE", "HOUR", "DAY"},
    "core/toast.js": {"LASTS"},
    "core/watchdog_status.js": {"EVERY"},
    "drafts.js": {"WAIT", "AGAIN"},
    "list/chart.js": {"EVERY"},
    "list/complete.js": {"WAIT"},
    "list/conversations.js": {"EVERY"},
    "list/saved_views.js": {"SOON", "EVERY"},
    "session/timeline.js": {"NEAR", "REFRESH_AFTER", "SHOW_AFTER"},
    "session/timeline_draw.js": {
        "FLAG", "BAND", "TURNS", "LIFE", "LABELS", "HEIGHT", "CLOSE", "LETTER",
    },
    "session/timeline_scale.js": {"IDLE_AT_LEAST", "IDLE_SHARE", "FOLDED", "STEPS"},
    "session/tree_tools.js": {"WAIT", "NEAR_END"},
    "wall/wall.js": {"SOON", "AT_LEAST_EVERY"},
}  # fmt: skip
# Patterns for what scripts themselves have written, or for any text.
OWN_PATTERNS = {
    r"/^\?/",  # the query of an address
    r"/\s+/", r"/\s+/g", r"/\D/g",
    r"/^#v(\d{1,15})$/",  # the page's own anchor of an entry in the history
}  # fmt: skip

TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
KEY = re.compile(r"[{,]\s*(\w+):")
NUMBER = re.compile(r"(?<![\w.#-])(\d[\d_]*)(?![\w.])")
CONSTANT = re.compile(r"^(?:export )?const ([A-Z][A-Z_]*) =([^;]*);", re.MULTILINE)
PATTERN = re.compile(
    r"(?<=[=(,:!&|?\s])/(?![*/\s])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[dgimsuvy]*"
)


def code_of(script: str) -> str:
    """The script without comments and imports."""
    lines = (re.sub(r"(?:^|\s)//.*", "", line) for line in script.splitlines())
    return re.sub(r"^(?:import|\} from) .*$", "", "\n".join(lines), flags=re.MULTILINE)


def names_in(script: str) -> Iterator[str]:
    """The server's names in strings that are not sentences, and as keys of objects."""
    code = code_of(script)
    for found in TEXT.finditer(code):
        text = found[1] or found[2] or ""
        if " " not in text or "[" in text:
            yield from NAMES.intersection(word.lstrip("-") for word in re.findall(r"[\w-]+", text))
    yield from NAMES.intersection(KEY.findall(code))


def close_codes_in(script: str) -> list[str]:
    return [
        number
        for number in NUMBER.findall(code_of(script))
        if number == "1009" or 4000 <= int(number.replace("_", "")) < 5000
    ]


def numbers_in(script: str) -> set[str]:
    return {name for name, value in CONSTANT.findall(code_of(script)) if _is_numeric(value)}


def _is_numeric(value: str) -> bool:
    return bool(NUMBER.search(TEXT.sub("", value)) or re.search(r"\d\.\d", value))


def patterns_in(script: str) -> set[str]:
    return set(PATTERN.findall(TEXT.sub('""', code_of(script))))


def scripts() -> dict[str, str]:
    return {str(file.relative_to(SCRIPTS)): file.read_text() for file in SCRIPTS.rglob("*.js")}


@pytest.mark.parametrize(
    "script",
    [
        'const ICONS = { late: "clock", lost: "off" };',
        'if (row.dataset.state === "paused") show();',
        'const COLOURS = ["--active", "--failed"];',
        'document.querySelector(`[data-state="deleted"] a`);',
        "const THEMES = {\n  system: 1,\n};",
        'const open = (verb) => verb !== "restorations";',
    ],
)
def test_every_way_to_name_a_state_or_a_verb_is_found(script: str) -> None:
    assert list(names_in(script))


def test_every_other_copy_of_a_rule_is_found() -> None:
    assert close_codes_in("if (code === 4403) return;") == ["4403"]
    assert close_codes_in("const AWAY = new Set([1009]);") == ["1009"]
    assert numbers_in("const LATE = 30;\nexport const BAND = { y: 34 };") == {"LATE", "BAND"}
    assert patterns_in('const ID = /^[0-9a-f-]{4,36}$/i;\nq(/[/x]+/, "/a/");') == {
        "/^[0-9a-f-]{4,36}$/i",
        "/[/x]+/",
    }


def test_sentences_and_comments_are_no_copies() -> None:
    script = (
        '// 4403: "paused"\ngettext("The session is paused.");\nimport x from "./complete.js";\n'
    )
    assert not [*names_in(script), *close_codes_in(script), *numbers_in(script)]
    assert not patterns_in("half = (a / 2) * b / 3; // a/b/c")


def test_scripts_name_no_state_and_no_verb() -> None:
    found = {file: sorted(set(names_in(script))) for file, script in scripts().items()}
    assert {file: names for file, names in found.items() if names} == OWN_NAMES


def test_scripts_know_no_close_code() -> None:
    found = {file: close_codes_in(script) for file, script in scripts().items()}
    assert {file: codes for file, codes in found.items() if codes} == {}


def test_the_numbers_of_a_script_are_its_own() -> None:
    found = {file: numbers_in(script) for file, script in scripts().items()}
    assert {file: names for file, names in found.items() if names} == OWN_NUMBERS


def test_the_patterns_of_a_script_are_its_own() -> None:
    found = {pattern for script in scripts().values() for pattern in patterns_in(script)}
    assert found == OWN_PATTERNS


@pytest.mark.parametrize("language", ["en", "de"])
def test_each_page_carries_the_rules(language: str) -> None:
    template = get_template("registration/login.html")
    with translation.override(language):
        page = template.render({"form": {}}, RequestFactory().get("/"))
    for name, value in RULES.items():
        assert f'data-{name}="{escape(value)}"' in page


def test_each_rule_is_read_by_a_script() -> None:
    everything = "\n".join(scripts().values())
    for name in RULES:
        first, *others = name.split("-")
        assert re.search(rf"\b{first}{''.join(map(str.capitalize, others))}\b", everything), name


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3f2a", True), ("3F2A-", True), ("face", False), ("3f2", False), ("3f2x", False)],
)
def test_what_looks_like_an_id_has_a_digit_and_four_signs(text: str, expected: bool) -> None:
    assert looks_like_id(text) is expected
