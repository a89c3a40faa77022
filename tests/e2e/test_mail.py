"""A rule sends a mail through a real mail server; what its reader does comes back, and is told by webhook."""

from pathlib import Path

from tests.e2e.engine import engine, until
from tests.postbox import postbox

SENDER = "Sklep <sklep@example.com>"


async def test_sent_opened_clicked(tmp_path: Path) -> None:
    with postbox() as box:
        mail = f"smtp://127.0.0.1:{box.port}?starttls=never"
        async with engine(tmp_path, smtp_url=mail, mail_from=SENDER) as one:
            made = await one.http.post(
                f"{one.url}/api/v1/messages",
                json={
                    "name": "Welcome",
                    "subject": "Hello {{ contact.name }}",
                    "html": '<p>Hi</p><a href="https://shop.example/?a=1&amp;b=2#top">here</a>',
                },
            )
            assert made.status_code == 201, made.text
            rule = await one.http.post(
                f"{one.url}/api/v1/rules",
                json={
                    "name": "welcome",
                    "active": True,
                    "triggers": [{"type": "contact.created"}],
                    "actions": [{"type": "sendEmail", "message": made.json()["id"]}],
                },
            )
            assert rule.status_code == 201, rule.text
            await one.http.post(f"{one.url}/api/v1/contacts", json={"email": "jan@example.pl", "name": "Jan"})
            await until(lambda: bool(box.letters), "the mail comes")
            (letter,) = box.letters
            assert letter["Subject"] == "Hello Jan"
