from goniec.core.mailing import Envelope, opened, sealed


def test_what_was_put_in_comes_out() -> None:
    envelope = Envelope(
        to="jan@example.com", sender="Sklep <a@b.example>", subject="Zażółć", html="<p>x</p>", version=3
    )
    assert opened(sealed(envelope)) == envelope


def test_the_names_outside_are_those_of_a_mail() -> None:
    body = sealed(Envelope(to="jan@example.com", sender="a@b.example", reply_to="c@d.example", subject="Hi"))
    assert body == b'{"to":"jan@example.com","from":"a@b.example","replyTo":"c@d.example","subject":"Hi"}'


def test_a_body_that_is_no_mail_is_none() -> None:
    assert opened(b"") is None
    assert opened(b'{"id":"rul_1"}') is None
    assert opened(b"\xff") is None
