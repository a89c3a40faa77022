"""From a message's HTML to what is sent: its links lead where they led, its text stays, and no page breaks the mailer."""

import html
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typing_extensions import override

from goniec.core.mailing import UNSUBSCRIBE
from goniec.send.css import beyond
from goniec.send.elements import tokens
from goniec.send.markup import inlined, plain, tracked, tracked_text

PIXEL: Final = "https://goniec.example/t/o/T.gif"
IMAGE: Final = f'<img src="{PIXEL}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'
MINE: Final = "https://goniec.example/t/u/T"


class Links:
    """Numbers what it is given, and tells it again."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def __call__(self, url: str) -> str:
        self.urls.append(url)
        return f"https://goniec.example/t/c/{len(self.urls)}&\"'<>"


def sent(page: str) -> tuple[str, list[str]]:
    """Give the page without its pixel, and the addresses that were led through."""
    links = Links()
    made = tracked(page, links, PIXEL, MINE)
    assert made.count(IMAGE) == 1
    return made.replace(IMAGE, ""), links.urls


def lead(number: int) -> str:
    return f'"https://goniec.example/t/c/{number}&amp;&quot;&#x27;&lt;&gt;"'


class Reader(HTMLParser):
    """What the parser of the standard library makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hrefs: list[str | None] = []
        self.said = ""
        self.feed(page)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.hrefs += [value for name, value in attrs if tag == "a" and name == "href"]

    @override
    def handle_data(self, data: str) -> None:
        self.said += data


class TestLinks:
    @pytest.mark.parametrize("href", ["#top", "mailto:jan@example.org?subject=a%20b", "tel:+48123456789"])
    def test_A64_what_leads_to_no_page_is_left_alone(self, href: str) -> None:
        assert sent(f'<p><a href="{href}">x</a></p>') == (f'<p><a href="{href}">x</a></p>', [])

    def test_A64_an_element_over_several_lines_is_tracked(self) -> None:
        page = "<A\n  class='b'\n\tHREF =\n  'https://x.example/a'\n>see\nmore</A>"
        assert sent(page) == (f"<A\n  class='b'\n\tHREF =\n  {lead(1)}\n>see\nmore</A>", ["https://x.example/a"])

    @pytest.mark.parametrize(
        "href",
        ["", "#", "sms:123", "data:text/html,x", "javascript:x", "//x.example/", "/a", "a/b", "?q", "https:", "https://", "https:///a", "ftp://x.example/", "xhttps://x.example/", "httpss://x.example"],
    )  # fmt: skip
    def test_so_is_every_other_address_but_those_of_the_web(self, href: str) -> None:
        assert sent(f"<a href='{href}'>x</a><a>y</a>") == (f"<a href='{href}'>x</a><a>y</a>", [])

    @pytest.mark.parametrize(
        ("written", "url"),
        [
            ('"https://x.example/?a=1&amp;b=2#top"', "https://x.example/?a=1&b=2#top"),
            ('"https://x.example/?a=1&b=2"', "https://x.example/?a=1&b=2"),
            # entities without their semicolon, before what makes them none in an attribute
            ('"https://x.example/?a=1&copy=2&lt3&para"', "https://x.example/?a=1&copy=2&lt3¶"),
            ('"https://x.example/?&amp;amp;&nosuch;&#38;&#x26;&#"', "https://x.example/?&amp;&nosuch;&&&#"),
            ("'https://x.example/(a)[b]{c}<d>\"e\"'", 'https://x.example/(a)[b]{c}<d>"e"'),
            ("https://x.example/a/", "https://x.example/a/"),
            ("https://x.example/a='b'", "https://x.example/a='b'"),
            ('"https://x.example/?to=https://y.example/?c=d%26e"', "https://x.example/?to=https://y.example/?c=d%26e"),
            ('"HTTP://łódź.example/żółw 😱"', "HTTP://łódź.example/żółw 😱"),
            ('" \n https://x.example/a\n  b \x1f"', "https://x.example/a  b"),
            (
                '"https://x.example/&#1;&#0;&#x80;&#129;&#xd800;&#x110000;&#' + "9" * 5_000 + ';"',
                "https://x.example/\x01\ufffd€\x81\ufffd\ufffd\ufffd",
            ),
            ('"https://x.example/' + "q" * 8_192 + '"', "https://x.example/" + "q" * 8_192),
        ],
        ids=range(12),
    )
    def test_a_link_leads_where_the_author_wrote(self, written: str, url: str) -> None:
        page = f'<p><a class=x href={written} title="https://t.example/">a &amp; b</a></p>'
        assert sent(page) == (page.replace(written, lead(1)), [url])

    def test_all_links_of_a_page_and_nothing_else(self) -> None:
        before = (
            '<!DOCTYPE html><title><a href="https://no.example/"></title><base href="https://no.example/">'
            "<!-- <a href=\"https://no.example/\"> --><style>a[href='https://no.example/']{}</style>"
            "<script>'<a href=\"https://no.example/\">'</script><textarea><a href=https://no.example></textarea>"
            '<link href="https://no.example/"><form action="https://no.example/"><abbr href="https://no.example/">'
            '<v:rect href="https://no.example/"></v:rect><img src="https://no.example/"> 1 < 2 <3 </> </ > <?x > '
        )
        links = '<area href={} data-href="https://no.example/" href="https://no.example/"><svg><a href={}/></svg>'
        after = '<noscript><a href="{}'
        page = before + links.format("https://1.example", "https://2.example/?") + after.format("https://no.example/")
        made, urls = sent(page)
        assert urls == ["https://1.example", "https://2.example/?/"]
        assert made == before + links.replace("{}/>", "{}>").format(lead(1), lead(2)) + after.format(
            "https://no.example/"
        )

    def test_what_only_outlook_sees_is_tracked_as_well(self) -> None:
        page = (
            "<!--[if (gte mso 9)|(IE)]><v:roundrect href={}><a href={}>x</a></v:roundrect><![endif]-->"
            "<!--[if !mso]><!--><a href={}>y</a><!--<![endif]--><!-- [if gt 1]><b><![endif]-->"
        )
        assert sent(page.format('"https://1.example/"', "'https://2.example/'", "https://3.example/")) == (
            page.format(lead(1), lead(2), lead(3)),
            ["https://1.example/", "https://2.example/", "https://3.example/"],
        )


class TestOptOut:
    def test_its_address_stands_wherever_it_was_asked_for(self) -> None:
        page = "<a href='{0}'>out</a> or {0}?x=1 <!--[if mso]><a href={0}><![endif]--> <a href='https://x.example/?to={0}'>"
        links = Links()
        made = tracked(page.format(UNSUBSCRIBE), links, PIXEL, 'https://g.example/u/"T"')
        assert links.urls == ['https://x.example/?to=https://g.example/u/"T"']
        expected = page.replace("'https://x.example/?to={0}'", lead(1)).format("https://g.example/u/&quot;T&quot;")
        assert made == expected + IMAGE

    def test_without_one_its_place_is_empty(self) -> None:
        assert tracked(f'<a href="{UNSUBSCRIBE}">x</a>', Links(), PIXEL, None) == f'<a href="">x</a>{IMAGE}'
        assert tracked_text(f"out: {UNSUBSCRIBE}", None) == "out: "

    def test_links_of_a_plain_text_stay_as_they_are(self) -> None:
        assert tracked_text(f"https://x.example/ {UNSUBSCRIBE}.", MINE) == f"https://x.example/ {MINE}."


class TestPixel:
    @pytest.mark.parametrize(
        "page",
        [
            "|",
            "a|",
            "<html><body>a|</body></html>",
            "<body>a</body>b|</BODY\n>",
            "<html><body>a|</html>",
            "<body>a<!-- </body> --><script>'</body>'</script>|</body >",
            "a|<!-- never ended",
            "a|<a href='",
            "<script>'</body>'</script>|",
            "<style>|a{}",
            "<p>|<b",
            "<p>a <|",
        ],
    )
    def test_stands_at_the_end_of_what_is_seen(self, page: str) -> None:
        assert tracked(page.replace("|", ""), Links(), PIXEL, None) == page.replace("|", IMAGE)


NASTY: Final = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=30)
URLS: Final = st.builds("{}://x.example/{}".format, st.sampled_from(["http", "https", "HTTPS"]), NASTY).map(
    lambda url: url.translate(str.maketrans("", "", "\t\n")).rstrip("".join(map(chr, range(0x21))))
)
WORDS: Final = st.text("ab<>&;\"' !-/=\nłżd😱", max_size=20)


def double(url: str) -> str:
    return f'"{html.escape(url)}"'


def single(url: str) -> str:
    return f"'{html.escape(url)}'"


def numbered(url: str) -> str:
    """A number for each character but those of C1, which it would turn into others."""
    return '"' + "".join(c if "\x80" <= c <= "\x9f" else f"&#{ord(c)};" for c in url) + '"'


def bare(url: str) -> str:
    return html.escape(url).translate({ord(c): f"&#x{ord(c):x};" for c in " \f/=`"}) or '""'


LINKS: Final = st.tuples(URLS, st.sampled_from([double, single, numbered, bare]), WORDS)


@given(st.lists(LINKS, max_size=5))
@example([("https://x.example/?a=1&copy=2&amp;#'\"<>", single, "a<b")])
def test_whatever_the_links_are_they_can_be_read_back(links: list[tuple[str, Callable[[str], str], str]]) -> None:
    pieces = [
        f"<p title='{html.escape(text)}'>{html.escape(text)}<a href={{}} id=x>{html.escape(text)}</a>"
        for _, _, text in links
    ]
    page = "".join(piece.replace("{}", write(url)) for piece, (url, write, _) in zip(pieces, links, strict=True))
    made, urls = sent(page)
    assert urls == [url for url, _, _ in links]
    assert made == "".join(piece.replace("{}", lead(n)) for n, piece in enumerate(pieces, 1))
    assert Reader(made).hrefs == [html.unescape(lead(n))[1:-1] for n in range(1, len(links) + 1)]
    assert Reader(made).said == Reader(page).said
    # and so they are behind the other parser's back, which writes the page anew
    assert sent(inlined(page))[1] == urls


@given(WORDS, st.text("abco py&;#x38=<>amplt", max_size=30))
def test_an_attribute_is_read_as_browsers_read_it(text: str, value: str) -> None:
    def read(page: str) -> list[str]:
        return [found.value for token in tokens(page) if token.name == "a" and (found := token.get("href"))]

    page = f'<p>{html.escape(text)}<a href="{value}">x</a>'
    assert read(page) == read(inlined(page))


@given(st.text("<>/!-ab\"'= \nscriptyle[if]", max_size=60))
@example("<!-->a<!--->b<!--!>c--!>d<!x>e</>f</ g>h<a b='c\"")
@example("<plaintext><a href=https://x.example>")
@example("<title>a</title")
def test_tokens_leave_nothing_of_a_page_out_but_what_is_plain(page: str) -> None:
    found = list(tokens(page))
    assert [one.start for one in found[1:]] == [one.end for one in found[:-1]]
    assert "".join(page[one.start : one.end] for one in found) == page
    assert tracked(page, Links(), PIXEL, None).replace(IMAGE, "") == page
    plain(page)


class TestStyles:
    def test_go_into_the_elements_and_stay_for_media_queries(self) -> None:
        made = inlined(
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x"><html><head><link rel="stylesheet" '
            'href="https://f.example/font.css"><style>.a{color:red} @media (max-width:9px){.a{color:blue}}</style></head>'
            "<body><p class=a>a &amp; b&nbsp;ł</p><!--[if mso]><p class=a><![endif]--></body></html>"
        )
        assert made.startswith('<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x"><html>')
        assert '<p class="a" style="color: red;">a &amp; b&nbsp;ł</p>' in made
        assert "@media (max-width:9px){.a{color:blue}}</style>" in made
        assert '<link rel="stylesheet" href="https://f.example/font.css">' in made
        assert "<!--[if mso]><p class=a><![endif]-->" in made

    @pytest.mark.parametrize("fragment", ["just a text", "<p>a<p>b", "<tr><td>a</td></tr>", "<b>a</i>b", "a<style>p{"])
    def test_a_fragment_becomes_a_page_with_the_same_text(self, fragment: str) -> None:
        made = inlined(fragment)
        assert made.startswith("<html><head></head><body>")
        assert plain(made) == plain(fragment)

    def test_nothing_is_read_that_the_page_does_not_hold(self, tmp_path: object) -> None:
        sheet = f"{tmp_path}/a.css"
        with open(sheet, "w", encoding="utf-8") as file:  # noqa: PTH123 - a fixture gives the folder
            file.write("p{color:green}")
        for address in (sheet, f"file://{sheet}", "https://127.0.0.1:1/a.css"):
            page = f'<link rel="stylesheet" href="{address}"><style>@import url({address});</style><p>a</p>'
            assert "green" not in inlined(page)

    @pytest.mark.parametrize("page", ["", " \n", "\ud800<style>p{color:red}</style><p>a"])
    def test_what_is_no_page_stays(self, page: str) -> None:
        assert inlined(page) == page

    def test_a_newsletter_is_within_the_bounds(self) -> None:
        rules = "".join(f".c{n}{{color:red;margin:0;padding:{n}px}}" for n in range(100))
        row = "<tr><td class=c1 align=center><table><tr><td><font><a href=https://x.example><b>a</b><br><img src=x></a></font>"
        row += "<p class=c2>b<p>c<ul><li>d<li>e</ul></td></tr></table></td></tr>"
        rules += (
            "".join(f"h{n}," for n in range(80)) + "h{margin:0;padding:0;border:0;font:inherit;vertical-align:baseline}"
        )
        page = f"<style>{rules}</style>" + "<div><table>" * 20 + row * 100 + "</table></div>" * 20
        assert not beyond(page)
        assert 'style="color: red;margin: 0;padding: 1px;"' in inlined(page)

    @pytest.mark.parametrize(
        "page",
        [
            "<div>" * 50_000,
            "<div>" * 501,
            "<table><tr><td>" * 16_000,
            "<svg><div/></svg>" * 14_000,
            "<div><object></div></object>" * 9_000,
            "<div><table></div></table>" * 9_000,
            "<p>" + "".join(f"<b id={n}>" for n in range(400)) + "<div>x</div>" * 20_000,
            "<style>" + "".join(f"*{{--a{n}:1}}" for n in range(5_000)) + "</style>" + "<p>x" * 5_000,
            "<p>x" * 200 + "<style>" + "".join(f"p{{x{n}:1}}" for n in range(5_000)),
            f"<style>p{',p' * 60_000}{{a:b}}</style>" + "<p>" * 40_000,
            f"<style>p{',p' * 4_000}{{{';'.join(f'a{n}:b' for n in range(100))}}}</style>" + "<p>x" * 625,
            f"<style>/*{{*/@media x{{p[a='}}']{',p' * 4_000}{{{'a:b(});' * 100}}}}}</style>" + "<p>x" * 625,
            f"<style>p{{background:url({'x' * 100_000})}}</style>" + "<p>" * 40_000,
        ],
        ids=range(13),
    )
    def test_a_page_that_would_take_the_process_with_it_stays(self, page: str) -> None:
        assert beyond(page)
        assert inlined(page) == page

    def test_a_page_that_its_styles_would_make_large_stays(self) -> None:
        page = f"<style>p{{background:url({'x' * 9_000})}}</style>" + "<p>a</p>" * 500
        assert not beyond(page)
        assert inlined(page) == page


class TestPlain:
    @pytest.mark.parametrize(
        ("page", "text"),
        [
            ("<h1>Witaj&nbsp;Zofio</h1><p>A &amp; b\n  c<br>d<p>e<div>f</div><div>g</div>", "Witaj Zofio\n\nA & b c\nd\n\ne\nf\ng"),
            ("a <b>b</b><i>c</i> <span> d</span> e", "a bc d e"),
            ("<p>a</p>\n<br><br><br><p>b", "a\n\nb"),
            ("<ul><li>a<li>b<ul><li>c</ul><li><p>d</ul><p>e", "- a\n- b\n  - c\n- d\n\ne"),
            ("<ol start=9><li>a<li>b<br>c</ol><ol start=x><li>d</ol><li>e", "9. a\n10. b\n  c\n\n1. d\n\n- e"),
            ("x" + "<ul>" * 12 + "<li>a" + "</ul>" * 13 + "b", "x\n\n" + "  " * 9 + "- a\n\nb"),
            ("<blockquote>a<p>b<blockquote>c</blockquote></blockquote>d", "> a\n\n> b\n\n> > c\n\nd"),
            ("<table><tr><th>a</th><th>b</th></tr><tr><td>1<td><b>2</b><td></table>c", "a | b\n1 | 2\n\nc"),
            ("<table><tr><td><p>a</p></td><td><p>b</p></td></tr></table>", "a\n\nb"),
            ("<pre>a  b\r\n\n c</pre></pre>d  e", "a  b\n\n c\n\nd e"),
            ("a<hr>b", "a\n\n--------------------\n\nb"),
            ("<img src=x alt='A  cat'> b<img src=y><img alt=''>", "A cat b"),
            ("&#" + "9" * 5_000 + ";", "\ufffd"),
            ("so\u00adft z\u200bw \ufeff", "soft zw"),
            ("a &nbsp;&nbsp;<br>b" + "&nbsp;" * 50_000 + "c", f"a\nb{' ' * 50_000}c"),
            # links
            ('<a href="https://x.example/?a=1&amp;b=2">see <b>more</b></a>, b', "see more (https://x.example/?a=1&b=2), b"),
            ("<a href=https://x.example/>x.example</a> <a href=https://y.example>https://y.example</a>", "x.example https://y.example"),
            ("<a href=mailto:a@b.pl?subject=x>a@b.pl</a> <a href=mailto:a@b.pl>write</a> <a href=tel:+48>call</a>", "a@b.pl write (a@b.pl) call (+48)"),
            ("<a href=#top>top</a> <a href=/x>x</a> <a>y</a> <a href=javascript:x>z</a></a>", "top x y z"),
            ("<a href=https://x.example><img src=y></a> <a href=https://y.example><img alt=cat></a>", "https://x.example cat (https://y.example)"),
            ("<a href=https://x.example>a<a href=https://y.example>b", "a (https://x.example)b (https://y.example)"),
            ("<a href='goniec:unsubscribe'>out</a>", "out (goniec:unsubscribe)"),
            # what is not for reading
            ("<title>a</title><style>b</style><script>c</script><!-- d --><template>e</template><textarea>f</textarea>g", "g"),
            ("<div style='color:red; Display : none !important'>a<div>b</div></div>c", "c"),
            ("<span style=visibility:hidden>a</span><p hidden>b</p><i style='max-height:0px;x:y'>c</i><img hidden alt=d>e", "e"),
            ("<p style='max-height:0.5em'>a</p><p style='x-display:none'>b</p>", "a\n\nb"),
            ("<p hidden>a<p>never ended", "a\n\nnever ended"),
            ("<!--[if mso]>a<![endif]--><!--[if !mso]><!-->b<!--<![endif]-->", "b"),
            ("", ""),
        ],
    )  # fmt: skip
    def test_a_page_as_a_text(self, page: str, text: str) -> None:
        assert plain(page) == text
