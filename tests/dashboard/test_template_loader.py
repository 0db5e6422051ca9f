"""The layout of templates does not appear in pages."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import engines
from django.template.loader import get_template

from dashboard.template_loader import without_layout


@pytest.mark.parametrize(
    ("written", "loaded"),
    [
        ("<ul>\n  <li>\n    a\n  </li>\n</ul>\n", "<ul><li>a</li></ul>"),
        ("<b>a</b> <i>b</i>", "<b>a</b><i>b</i>"),
        ('<b>a</b>\n{{ " " }}\n<i>b</i>', "<b>a</b> <i>b</i>"),
        ('{% now "Y" %}\n{{ " · " }}\n{{ x }}', '{% now "Y" %} · {{ x }}'),
        ("{{ a }}\n  and   {{ b }}", "{{ a }} and {{ b }}"),
        ("{{ a }}{{ b }}:{{ c }}", "{{ a }}{{ b }}:{{ c }}"),
        ("{% if a %}\n  a\n{% endif %}", "{% if a %}a{% endif %}"),
        ("{# why #}\n<p>\n{# how #} a </p>", "{# why #}<p>{# how #}a</p>"),
        ("<pre>\n  {{ text }}\n</pre>", "<pre>{{ text }}</pre>"),
    ],
)
def test_white_space_beside_a_tag_is_left_out_unless_it_is_written_as_a_literal(
    written: str, loaded: str
) -> None:
    assert without_layout(written) == loaded


@pytest.mark.parametrize(
    ("written", "loaded"),
    [
        ('<a\n  href="/"\n  title="a  b"\n>', '<a href="/" title="a  b">'),
        ('<circle\n  r="5"\n/>', '<circle r="5"/>'),
        ("<p\n  {% if a %}\n    id='a'\n  {% endif %}\n>", "<p{% if a %} id='a'{% endif %}>"),
        (
            "<p\n  {% if a %}id={{ a }}{% else %}hidden{% endif %}\n  lang>",
            "<p{% if a %} id={{ a }}{% else %} hidden{% endif %} lang>",
        ),
        (
            '<p\n  class="a{% if b == "c" %} b{% endif %}"\n  {{ more }}\n>',
            '<p class="a{% if b == "c" %} b{% endif %}" {{ more }}>',
        ),
        ("<p\n  {% block more %}{% endblock %}\n>", "<p {% block more %}{% endblock %}>"),
    ],
)
def test_one_space_stays_before_each_attribute_inside_the_branch_it_belongs_to(
    written: str, loaded: str
) -> None:
    assert without_layout(written) == loaded


def test_a_text_to_translate_is_loaded_as_it_is_written() -> None:
    text = "{% blocktranslate with a=b %}One {{ a }}\n  <b> two </b>{% plural %} {{ a }} {% endblocktranslate %}"

    assert without_layout(f"<p>\n  {text}\n</p>") == f"<p>{text}</p>"


@pytest.mark.parametrize(
    "path",
    sorted(Path(settings.BASE_DIR, "templates").rglob("*.html")),
    ids=lambda path: path.name,
)
def test_of_every_template_only_texts_over_lines_keep_their_line_breaks(path: Path) -> None:
    loaded = without_layout(path.read_text())

    assert "\n" not in re.sub(r"{% blocktranslate trimmed.*?{% end", "", loaded, flags=re.DOTALL)
    assert engines["django"].from_string(loaded)


def test_pages_get_their_templates_through_this_loader() -> None:
    page: Any = get_template("sessions/list/list.html")
    assert "\n" not in page.template.source
