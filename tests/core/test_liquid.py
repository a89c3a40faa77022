"""Texts of messages: what they say, what is said of a wrong one, and that none can take more than its share."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from functools import reduce
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.liquid import SOURCE_MAX, TemplateError, parse
from goniec.core.liquid_box import NAMES_MAX, OUTPUT_MAX, TURNS_MAX
from goniec.core.liquid_scan import BLANKS_MAX, DEPTH_MAX, TAGS_MAX, TERMS_MAX

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = 1_795_664_103_000
VALUES: dict[str, Any] = {
    "contact": {
        "name": 'Zofia "Zo" <b> & Syn',
        "tags": ["VIP", "Łódź"],
        "score": 12.5,
        "visits": 3,
        "orders": [{"no": 1, "paid": True}, {"no": 2, "paid": False}, {"no": 1, "paid": True}],
        "note": "a\nb",
    },
    "event": {"at": "2026-11-25T03:36:00.123Z", "day": "2026-11-25", "url": "https://x.example/?a=1&b=2"},
    "now": NOW,
    "big": "x" * 60_000,
    "tower": reduce(lambda inner, _: [inner], range(5_000), []),  # type: ignore[arg-type,return-value] # as deep as it gets
    "huge": ["y" * 200_000, "y" * 200_000],
}


def text(source: str, **more: Any) -> str:
    return parse(source, html=False).render({**VALUES, **more})


def html(source: str, **more: Any) -> str:
    return parse(source, html=True).render({**VALUES, **more})


def refused(source: str, *, escaped: bool = True) -> TemplateError:
    with pytest.raises(TemplateError) as told:
        parse(source, html=escaped).render(VALUES)
    assert str(told.value) == f"line {told.value.line}: {told.value.detail}"
    assert "\n" not in told.value.detail
    return told.value


class TestWhatTextsSay:
    def test_values_are_escaped_in_html_and_nowhere_else(self) -> None:
        assert html("Hi {{ contact.name }}!") == "Hi Zofia &#34;Zo&#34; &lt;b&gt; &amp; Syn!"
        assert text("Hi {{ contact.name }}!") == 'Hi Zofia "Zo" <b> & Syn!'
        assert html('<a href="{{ event.url }}">') == '<a href="https://x.example/?a=1&amp;b=2">'

    def test_raw_puts_a_value_in_as_it_is(self) -> None:
        assert html("{{ contact.name | raw }}") == VALUES["contact"]["name"]
        assert html("{{ contact.visits | raw }}") == "3"

    def test_what_the_author_wrote_is_never_escaped(self) -> None:
        assert html("{{ nobody | default: '<i>friend</i>' }}<b>") == "<i>friend</i><b>"
        assert html("{{ contact.name | append: '<br>' }}").endswith("Syn<br>")
        assert html("{% capture x %}<u>{{ contact.name }}</u>{% endcapture %}{{ x }}").startswith("<u>Zofia &#34;")

    @pytest.mark.parametrize("gone", ["nobody", "contact.age", "contact.tags[9]", "nobody.a.b[c]", "contact.name.x"])
    def test_names_that_nobody_gave_are_empty(self, gone: str) -> None:
        assert text(f"[{{{{ {gone} }}}}]") == "[]"
        assert text(f"{{{{ {gone} | default: 'friend' }}}}") == "friend"

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("{% if contact.score > 10 and contact.name contains 'Zofia' %}yes{% else %}no{% endif %}", "yes"),
            ("{% unless contact.visits == 3 %}a{% elsif contact.visits == 3 %}b{% endunless %}", "b"),
            ("{% case contact.visits %}{% when 1, 2 %}few{% when 3, 3 or 3 %}three{% else %}many{% endcase %}", "three"),
            ("{% for t in contact.tags %}{{ forloop.index }}{{ t }} {% else %}none{% endfor %}", "1VIP 2Łódź "),
            ("{% for i in (1..9) reversed %}{% if i == 7 %}{% continue %}{% elsif i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}", "986"),
            ("{% for i in (1..3) limit: 1 offset: 1 %}{{ i }}{% endfor %}", "2"),
            ("{% for i in (contact.visits..'x') %}{{ i }}{% else %}none{% endfor %}", "none"),
            ("{% for o in contact.orders %}{% for p in (1..o.no) %}{% cycle 'a', 'b' %}{% endfor %};{% endfor %}", "a;ba;b;"),
            ("{% assign a = 2 | plus: 3 %}{{ a }}{% increment n %}{% increment n %}{% decrement m %}", "501-1"),
            ("{% raw %}{{ a }}{% b %}{% endraw %}{% comment %}{% x %}{% if %}{% comment %}{% endcomment %}{% endcomment %}{% # no %}", "{{ a }}{% b %}"),
            ("a {%- echo 'b' -%} c {{- 'd' -}} e", "abcde"),
            ("{{ contact.tags | join: ', ' }}, {{ 'a b' | split: ' ' | join }}, {{ nobody | join }}{{ 5 | join: 1 }}{{ (1..3) | join: 0 }}", "VIP, Łódź, a b, 510203"),
            ("{{ contact.orders | where: 'paid' | map: 'no' | join: '-' }}", "1-1"),
            ("{{ contact.orders | uniq: 'no' | size }}{{ 'a,b,a' | split: ',' | uniq | join }}{{ (1..2) | uniq: 'x' | size }}", "2a b2"),
            ("{{ contact.tags | concat: contact.tags | size }}{{ nobody | concat: (1..2) | size }}", "42"),
            ("{{ 'aXbX' | replace: 'X', '--' }}{{ 'ab' | replace: '', '.' }}{{ nobody | replace: 'a' }}{{ 1 | replace: 1, 2 }}", "a--b--.a.b.2"),
            ("{{ '<p>Hi <b class=\"x\">you</b></p> 1 < 2' | strip_html }}", "Hi you 1 < 2"),
            ("{{ false | default: 1, allow_false: true }}", "false"),
            ("{{ 10 | divided_by: 4 }} {{ 10 | times: 1.5 }} {{ 2.5 | round }}", "2 15.0 2"),
        ],
    )  # fmt: skip
    def test_the_language_is_liquid(self, source: str, said: str) -> None:
        assert text(source) == said

    def test_a_list_joined_in_html_is_escaped_where_it_has_to_be(self) -> None:
        assert html("{{ tags | join }}|{{ tags | join: '<br>' }}", tags=["<a>", "b"]) == "&lt;a&gt; b|&lt;a&gt;<br>b"
        assert html("{{ '<b>a</b>' | strip_html }}{{ x | strip_html }}", x="<b>&") == "a&amp;"
        assert html("{{ x | newline_to_br }}", x="a<\nb") == "a&lt;<br />\nb"

    def test_a_text_knows_no_time_but_the_one_it_is_given(self) -> None:
        assert parse("[{{ now }}{{ today }}{{ 'now' | date: '%Y' }}]", html=False).render({}) == "[now]"
        assert text("{{ 'now' | date: '%Y' }} {{ 'today' | date: '%F' }}") == "2026 2026-11-26"

    def test_rendering_leaves_nothing_behind(self) -> None:
        template = parse("{% increment n %}{% cycle 'a', 'b' %}{{ x }}{% assign x = 1 %}", html=False)
        assert [template.render({}) for _ in range(2)] == ["0a", "0a"]


class TestJson:
    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("{{ contact.tags | json }}", '["VIP","Łódź"]'),
            ("{{ contact.name | json }}", '"Zofia \\"Zo\\" <b> & Syn"'),
            ("{{ nobody | json }}{{ (1..3) | json }}{{ contact.score | json }}", "null[1,2,3]12.5"),
        ],
    )
    def test_a_value_as_json(self, source: str, said: str) -> None:
        assert text(source) == said

    def test_json_in_html_is_escaped_as_any_value(self) -> None:
        assert html("{{ contact.tags | json }}{{ 'a' | json }}") == "[&#34;VIP&#34;,&#34;Łódź&#34;]&#34;a&#34;"

    def test_what_has_no_form_in_json(self) -> None:
        assert (
            refused("{% for i in (1..1) %}{{ forloop | json }}{% endfor %}").detail
            == "the filter json: ForLoop has no form in JSON"
        )


class TestDates:
    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("2026-11-25T23:36:00.123Z", "2026-11-26 00:36"),
            ("2026-11-25T23:36:00+01:00", "2026-11-25 23:36"),
            (1_795_664_103_000, "2026-11-26 04:35"),
            (1_795_664_103, "2026-11-26 04:35"),
            ("1795664103", "2026-11-26 04:35"),
            ("2026-11-25", "2026-11-25 00:00"),
            ("2026-11-25 10:20", "2026-11-25 10:20"),
            ("2026-11-25T10:20:30.5", "2026-11-25 10:20"),
            (date(2026, 11, 25), "2026-11-25 00:00"),
            (datetime(2026, 11, 25, 1, tzinfo=UTC), "2026-11-25 02:00"),
            (datetime(2026, 11, 25, 1), "2026-11-25 01:00"),  # noqa: DTZ001 - that is the point
            # no times: they stay
            ("soon", "soon"),
            ("2026-13-25", "2026-13-25"),
            ("2026-02-30 10:20", "2026-02-30 10:20"),
            (-5, "-5"),
            (10**16, "1" + "0" * 16),
            (True, "True"),
            (None, ""),
        ],
    )
    def test_times_as_we_write_them_in_the_zone(self, value: object, said: str) -> None:
        assert parse("{{ x | date: '%F %R' }}", html=False).render({"x": value}, zone=WARSAW) == said

    def test_another_zone(self) -> None:
        assert text("{{ event.at | date: '%H:%M %Z %z', 'America/New_York' }}") == "22:36 EST -0500"
        assert text("{{ x | date: '%z' }}", x=datetime(2026, 1, 1, tzinfo=timezone(timedelta(minutes=330)))) == "+0000"
        assert refused("{{ event.at | date: '%H', 'Mars/Base' }}").detail == (
            "the filter date: there is no time zone 'Mars/Base'; one is called as Europe/Warsaw is"
        )
        assert "no time zone" in refused("{{ event.at | date: '%H', '../../etc/passwd' }}").detail

    @pytest.mark.parametrize(
        ("pattern", "polish", "english"),
        [
            ("%A, %-d %B %Y", "środa, 25 listopada 2026", "Wednesday, 25 November 2026"),
            ("%d. %B", "25. listopada", "25. November"),
            ("%B %Y, %^b %a", "listopad 2026, LIS śr.", "November 2026, NOV Wed"),
            ("%d.%m.%y %H:%M:%S %T", "25.11.26 03:06:00 03:06:00", "25.11.26 03:06:00 03:06:00"),
            ("%-I:%M %p %e %j %u %s %%", "3:06 AM 25 329 3 1795575960 %", "3:06 AM 25 329 3 1795575960 %"),
            ("%-H %-S %Q %", "3 0 %Q %", "3 0 %Q %"),
        ],
    )
    def test_words_of_the_language(self, pattern: str, polish: str, english: str) -> None:
        template = parse(f"{{{{ x | date: '{pattern}' }}}}", html=False)
        values = {"x": "2026-11-25T03:06:00Z"}
        assert template.render(values, language="pl") == polish
        assert template.render(values, language="en") == english

    def test_noon_and_a_pattern_that_is_missing(self) -> None:
        assert text("{{ '2026-11-25T12:00:00Z' | date: '%I %p' }}") == "12 PM"
        assert text("{{ event.day | date: nobody }}{{ event.day | date: nil }}") == "2026-11-252026-11-25"


class TestNumbers:
    @pytest.mark.parametrize(
        ("source", "polish", "english"),
        [
            ("{{ 1234567.895 | number: 2 }}", "1\u00a0234\u00a0567,90", "1,234,567.90"),
            ("{{ 1234 | number }}", "1\u00a0234", "1,234"),
            ("{{ '12.50' | number }}", "12,50", "12.50"),
            ("{{ -0.5 | number: 0 }}", "-1", "-1"),
            ("{{ 2.5 | number: nobody }}", "2,5", "2.5"),
            ("{{ 'ten' | number }}{{ nobody | number }}{{ true | number }}", "tenTrue", "tenTrue"),
        ],
    )
    def test_separators_of_the_language(self, source: str, polish: str, english: str) -> None:
        assert parse(source, html=False).render({}, language="pl") == polish
        assert parse(source, html=False).render({}, language="en") == english

    def test_what_is_no_number_of_digits(self) -> None:
        assert text("{{ x | number: 2 }}", x=float("inf")) == "inf"
        assert (
            refused("{{ 1 | number: 21 }}").detail == "the filter number: a number has 0 to 20 digits behind the point"
        )
        assert refused("{{ 1 | number: 'x' }}").detail.startswith("the filter number: ")


class TestWrongTexts:
    @pytest.mark.parametrize(
        ("source", "line", "detail"),
        [
            ("a\n{{ x", 2, "{{ is never closed; end it with }}"),
            ("a\n{% if x", 2, "{% is never closed; end it with %}"),
            ("{{ }}", 1, "there is nothing between {{ and }}"),
            ("\n{%- -%}", 2, "{% needs the name of a tag, such as {% if contact.name %}"),
            ("a\n\n{% if x %}\n", 3, "{% if %} is never closed; end it with {% endif %}"),
            ("{% raw %}{{ a }}", 1, "{% raw %} is never closed; end it with {% endraw %}"),
            ("{% raw x %}{% endraw %}", 1, "there is no tag {% raw %}"),
            ("\n{% endif %}", 2, "{% endif %} closes or divides nothing"),
            ("{% else %}", 1, "{% else %} closes or divides nothing"),
            ("{% if a %}\n{% for x in y %}\n{% endif %}{% endfor %}", 3, "{% endif %} stands in {% for %} of line 2, still open"),
            ("{% for x in y %}{% elsif z %}{% endfor %}", 1, "{% elsif %} stands in {% for %} of line 1, still open"),
            ("{% break %}", 1, "{% break %} stands in no loop"),
            ("{% include 'secrets' %}", 1, "there is no tag {% include %}"),
            ("{% render 'x' %}", 1, "there is no tag {% render %}"),
            ("{% comment %}{% doc %}{% endcomment %}", 1, "there is no tag {% doc %}"),
            ("{% end %}", 1, "there is no tag {% end %}"),
            ("{{ a | shout }}", 1, "there is no filter shout"),
            ("{% if a %}\n{% assign b = a | shout %}{% endif %}", 2, "there is no filter shout"),
            ("\n{{ a | replace }}", 2, "the filter replace takes 1 to 2 values, and is given 0"),
            ("{{ a | append }}", 1, "the filter append takes 1 value, and is given 0"),
            ("{{ a | date: '%Y', settings: 1 }}", 1, "the filter date knows no settings"),
            ("{{ a b }}", 1, "there is a word too many; a filter stands behind |"),
            ("\n{{ a | }}", 2, "the name of a filter is missing behind |"),
            ("{{ 'a }}", 1, "a ' has no other that ends it"),
            ("{% if a = b %}{% endif %}", 1, "there is a = too many; == compares"),
            ("\n\n{% if a == %}{% endif %}", 3, "something is missing at the end"),
            ("{% for %}{% endfor %}", 1, "the tag needs something behind its name"),
            ("{{ " + "9" * 5_000 + " }}", 1, "integer string conversion limit (4300) reached: value has 5000 digits"),
            # only as it is rendered
            ("\n{{ 1 | divided_by: 0 }}", 2, "the filter divided_by: can't divide by 0"),
            ("{% if a %}{% else %}\n{{ contact.name | slice: 1.5 }}{% endif %}", 2, "the filter slice: slice expected an integer start, found float"),
            ("{{ '1e400' | ceil }}", 1, "the filter ceil: cannot convert float infinity to integer"),
            ("{{ a | concat: 'x' }}", 1, "the filter concat: what is added must be a list"),
            ("{% for i in (1..3) %}{% for x in forloop %}{% endfor %}{% endfor %}", 1, "the text cannot be rendered: 2"),
            ("{{ tower }}", 1, "it is nested too deeply"),
        ],
    )  # fmt: skip
    def test_the_line_and_what_is_wrong(self, source: str, line: int, detail: str) -> None:
        told = refused(source)
        assert (told.line, told.detail) == (line, detail)

    @given(st.text("{%}- \nabif|'\"()[].,:=<endraworc1", max_size=40))
    def test_any_text_is_read_or_refused(self, source: str) -> None:
        for escaped in (True, False):
            with suppress(TemplateError):
                parse(source, html=escaped).render(VALUES)


BOMBS = {
    "nested loops": "{% for a in (1..999) %}{% for b in (1..999) %}{% for c in (1..999) %}x{% endfor %}{% endfor %}{% endfor %}",
    "loops in a row": "{% for a in (1..5000) %}{% endfor %}" * 3,
    "a loop in a loop of one": f"{{% for a in (1..{TURNS_MAX}) %}}{{% for b in (1..1) %}}{{% endfor %}}{{% endfor %}}",
    "much in a loop": "{% for a in (1..9999) %}" + "{{ b }}" * 1_000 + "{% endfor %}",
    "a range": "{{ (1..20000000) | join: ',' | size }}",
    "a range backwards": "{% for i in (1..100000000) reversed %}{% endfor %}",
    "a range searched": "{% if (1..100000000) contains 'a' %}{% endif %}",
    "a range from names": "{% assign n = '100000000' %}{% for i in (n..n) %}{% endfor %}",
    "appending": "{% assign x = 'aaaaaaaa' %}" + "{% assign x = x | append: x %}" * 40,
    "capturing": "{% capture x %}aaaaaaaa{% endcapture %}" + "{% capture x %}{{ x }}{{ x }}{% endcapture %}" * 60,
    "replacing": "{{ 'a'" + " | replace: 'a', 'aaaaaaaaaa'" * 9 + " }}",
    "replacing nothing": "{{ big | replace: '', big }}",
    "joining": "{{ big | split: 'x' | join: big }}",
    "joining pieces": "{{ (1..9000) | join: big }}",
    "splitting": "{{ big | split: '' | size }}",
    "lists": "{% assign l = 'a b' | split: ' ' %}" + "{% assign l = l | concat: l %}" * 40,
    "sorting": "{% for i in (1..999) %}{{ (1..9999) | sort | uniq | size }}{% endfor %}",
    "filters in a row": "{{ big" + " | upcase | downcase" * 1_000 + " }}",
    "powers": "{% assign n = 9 %}" + "{% assign n = n | times: n %}" * 50,
    "a large number": "{{ " + "9" * 4_000 + " | times: 2 }}",
    "many values of a when": "{% for i in (1..9000) %}{% case 1 %}{% when 2" + ",2" * 300 + " %}x{% endcase %}{% endfor %}",
    "cycle": "{% for i in (1..9999) %}{% cycle big, big %}{% endfor %}",
    "written": "{% for i in (1..9) %}{{ big }}{% endfor %}",
    "written in bytes": "{{ '" + "é" * 140_000 + "' }}",
    "searching": "{% for i in (1..9999) %}{% if big contains 'xxxxxxy' %}{% endif %}{% endfor %}",
    "a large value": "{{ huge }}",
    "names": "{% for i in (1..2) %}" + "".join(f"{{% assign a{i} = 1 %}}" for i in range(NAMES_MAX + 1)) + "{% endfor %}",
    "blocks": "{% if a %}" * 10_000 + "{% endif %}" * 10_000,
    "blocks never closed": "{% for a in b %}" * 10_000,
    "brackets": "{{ " + "a[" * 5_000 + "1" + "]" * 5_000 + " }}",
    "conditions": "{% if " + "a and " * 5_000 + "b %}{% endif %}",
    "blanks": "{{" + " " * 250_000 + "}}",
    "blanks behind a name": "{% if a %}{% else" + " " * 250_000 + "%}{% endif %}",
    "raw": "{% raw %}" * 25_000,
    "parentheses": "{{ " + "(" * 250_000 + " }}",
    "names in brackets": "{{ a" + '[""' * 60_000 + " }}",
    "braces": "{{" * 125_000,
    "comments": "{% comment %}" * 20_000,
    "documents": "{% comment %}" + "{% doc %}" * 20_000 + "{% endcomment %}",
    "tags": "{{ a }}" * (TAGS_MAX + 1),
    "length": "a" * (SOURCE_MAX + 1),
}  # fmt: skip


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("bomb", BOMBS)
def test_no_text_takes_more_than_its_share(bomb: str, escaped: bool) -> None:  # noqa: FBT001 - a parameter of a test
    refused(BOMBS[bomb], escaped=escaped)


@pytest.mark.parametrize(
    "source",
    [
        "{% case 1 %}{% when 1" + ", 1" * 400 + " %}" + "{% case 1 %}{% when 1" + ", 1" * 400 + " %}x{% endcase %}{% endcase %}",
        "{{ 'x' | date: '%999999999d' | truncate: 1, '' }}",
        "{{ '" + "<" * 99 + "x' | remove: '<' }}",
        "{% assign y = '" + "x" * 100_000 + "' %}{{ y | url_encode | slice: 0 }}",
        f"{{{{ 'x'{' ' * BLANKS_MAX}}}}}",
        "{% if a %}" * (DEPTH_MAX - 1) + "{% if a %}{% else %}x{% endif %}" + "{% endif %}" * (DEPTH_MAX - 1) + "x",
        "{% if a" + " == a" * TERMS_MAX + " %}x{% else %}x{% endif %}",
        f"{{% for i in (1..{TURNS_MAX}) %}}{{% endfor %}}x",
        "{{ a }}" * (TAGS_MAX - 1) + "{{ 'x' }}",
        "x" + "{% comment %}" * DEPTH_MAX + "{% endcomment %}" * DEPTH_MAX,
    ],
)  # fmt: skip
def test_what_is_within_its_limits_is_done_once(source: str) -> None:
    assert text(source) == "x"


def test_a_text_may_become_as_long_as_it_may_be_written() -> None:
    assert len(text("a" * OUTPUT_MAX)) == OUTPUT_MAX
