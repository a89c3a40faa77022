"""Signatures that the reference library verifies, and Basic credentials byte for byte."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from goniec.core.payload import body
from goniec.core.signing import TOLERANCE, basic, decode_secret, encode_secret, sign, verify
from goniec.core.times import SECOND

OLD, NEW = bytes(range(24)), bytes(range(200, 232))
ID = "dlv_01KAWHA7BV00000000000000000000HP15Q5"
AT = 1_764_041_760
NOW = AT * SECOND + 999


def headers(signature: str, timestamp: str = str(AT), id: str = ID) -> dict[str, str]:
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature}


class TestSecrets:
    @given(st.binary(min_size=24, max_size=64))
    def test_come_back_as_they_were_written(self, secret: bytes) -> None:
        text = encode_secret(secret)
        assert decode_secret(text) == secret
        assert Webhook(text)._whsecret == secret

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "whsec_",
            encode_secret(b"8 bytes!"),
            encode_secret(bytes(23)),
            encode_secret(bytes(65)),
            base64.b64encode(OLD).decode(),
            "v1," + encode_secret(OLD),
            encode_secret(OLD) + "\n",
            " " + encode_secret(OLD),
            encode_secret(OLD).replace("whsec_", "WHSEC_"),
            encode_secret(bytes(25)).rstrip("="),
            encode_secret(bytes(25))[:-3] + "B==",
            "whsec_" + "!" * 32,
            "whsec_" + "AAAA" * 8 + "=",
            "whsec_" + "ą" * 32,
            "whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode(),
        ],
    )
    def test_a38_what_the_reference_libraries_would_not_all_read_is_refused_with_the_rule(self, text: str) -> None:
        with pytest.raises(ValueError, match="whsec_ and the base64 of 24 to 64 bytes"):
            decode_secret(text)


class TestSignatures:
    def test_are_this_very_text(self) -> None:
        # the example of the Standard Webhooks specification
        secret = decode_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        signature = sign((secret,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
        assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    @pytest.mark.parametrize(
        "text", ['M&M <Żabka> "Łódź" 😱 \'s', "ñ", "\u2028", "</script>", "\U0001f9d1\u200d\U0001f4bb", "a\x00b"]
    )
    def test_a16_the_reference_library_verifies_the_raw_bytes(self, text: str) -> None:
        made = body("rul_1", text, "c", text, None, text, text)
        # the library asks the real clock for the time
        now = int(datetime.now(tz=UTC).timestamp())
        sent = headers(sign((NEW, OLD), ID, now, made), str(now))
        for secret in (OLD, NEW):
            assert Webhook(encode_secret(secret)).verify(made, sent)["name"] == text
        with pytest.raises(WebhookVerificationError):
            Webhook(encode_secret(bytes(24))).verify(made, sent)

    @given(st.binary(), st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3))
    def test_every_secret_verifies_its_own(self, content: bytes, secrets: list[bytes]) -> None:
        sent = headers(sign(secrets, ID, AT, content))
        assert all(verify(secret, sent, content, NOW) is None for secret in secrets)
        assert sent["webhook-signature"].count("v1,") == len(secrets)


class TestVerifying:
    signature = sign((OLD,), ID, AT, b"{}")

    @pytest.mark.parametrize("skew", [-TOLERANCE, 0, TOLERANCE])
    def test_holds_within_five_minutes(self, skew: int) -> None:
        assert verify(OLD, headers(self.signature), b"{}", NOW + skew * SECOND) is None

    @pytest.mark.parametrize("skew", [-TOLERANCE - 1, TOLERANCE + 1])
    def test_does_not_hold_beyond(self, skew: int) -> None:
        assert "300 seconds" in (verify(OLD, headers(self.signature), b"{}", NOW + skew * SECOND) or "")

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_a_missing_header_is_named(self, name: str) -> None:
        sent = headers(self.signature)
        del sent[name]
        assert "missing" in (verify(OLD, sent, b"{}", NOW) or "")

    @pytest.mark.parametrize("timestamp", ["now", "-1", "1e9", "1764041760.5", "9" * 5_000, "\u0661\u0662"])
    def test_a_timestamp_is_seconds(self, timestamp: str) -> None:
        assert "not a number of seconds" in (verify(OLD, headers(self.signature, timestamp), b"{}", NOW) or "")

    @pytest.mark.parametrize(
        "signature",
        ["v1,", "v1", "v2,abc", sign((NEW,), ID, AT, b"{}"), signature.lower(), "v1,ą", "\ud800", "v1a,x y"],
    )
    def test_a_wrong_signature_does_not_hold(self, signature: str) -> None:
        assert "no signature" in (verify(OLD, headers(signature), b"{}", NOW) or "")

    def test_signatures_of_other_versions_are_passed_over(self) -> None:
        assert verify(OLD, headers(f"v1a,xyz v2 {self.signature}"), b"{}", NOW) is None

    def test_id_time_body_and_secret_are_all_signed(self) -> None:
        assert verify(OLD, headers(self.signature, id="dlv_other"), b"{}", NOW) is not None
        assert verify(OLD, headers(self.signature, str(AT + 1)), b"{}", NOW) is not None
        assert verify(OLD, headers(self.signature), b"{ }", NOW) is not None
        assert verify(NEW, headers(self.signature), b"{}", NOW) is not None


class TestBasic:
    @pytest.mark.parametrize(
        ("username", "password", "value"),
        [
            pytest.param("jan", "pa:ss#?@€ż", "Basic amFuOnBhOnNzIz9A4oKsxbw=", id="a36"),
            pytest.param("jan", "", "Basic amFuOg==", id="a37-empty-password"),
            pytest.param("", "tajne", "Basic OnRham5l", id="a37-empty-user"),
            pytest.param("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", id="rfc7617-section-2"),
            pytest.param("test", "123£", "Basic dGVzdDoxMjPCow==", id="rfc7617-section-2.1"),
            pytest.param("jan", "z\u0307", "Basic amFuOsW8", id="composed"),
        ],
    )
    def test_is_this_very_text(self, username: str, password: str, value: str) -> None:
        assert basic(username, password) == value

    def test_a36_a_colon_in_the_user_name_is_refused(self) -> None:
        with pytest.raises(ValueError, match="user name cannot hold a colon"):
            basic("jan:x", "p")

    @pytest.mark.parametrize("char", ["\x00", "\r", "\n", "\t", "\x7f", "\x85", "\ud800"])
    def test_control_characters_are_refused(self, char: str) -> None:
        with pytest.raises(ValueError, match="the user name cannot hold a control character"):
            basic(f"jan{char}", "p")
        with pytest.raises(ValueError, match="the password cannot hold a control character"):
            basic("jan", f"p{char}")

    @given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"], exclude_characters=":")), st.text("ż:p@ "))
    def test_a_receiver_finds_both(self, username: str, password: str) -> None:
        decoded = base64.b64decode(basic(username, password).removeprefix("Basic ")).decode()
        assert decoded.partition(":") == (username, ":", password)
