"""The owner of an endpoint, told by mail by a whole engine, with links that lead into its panel."""

import re
from pathlib import Path

import httpx
import pytest

from tests.e2e.engine import PATIENCE, engine, until
from tests.postbox import free_port, postbox

PASSWORD = "p%40ss"


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_who_owns_an_endpoint_is_told_in_the_language_of_the_panel(tmp_path: Path) -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        mail = f"smtp://goniec:{PASSWORD}@127.0.0.1:{box.port}?starttls=never"
        async with engine(tmp_path, smtp_url=mail, mail_from="Goniec <goniec@example.com>") as one:
            rule = await one.rule({"type": "page.visited"}, f"http://127.0.0.1:{free_port()}/path?query=1")
            endpoint_id = await one.endpoint(rule, owner="ala@example.com", schedule=[])
            await one.visit({"email": "jan@example.pl"})
            await until(lambda: bool(box.letters), "the owner is told", 2 * PATIENCE)
            (letter,) = box.letters
            text = letter.get_content().replace("\r\n", "\n")
            assert re.fullmatch(r"Goniec: 1 wysyłka do 127\.0\.0\.1:\d+ nie doszła", letter["Subject"])
            assert (letter["To"], letter["From"]) == ("ala@example.com", "Goniec <goniec@example.com>")
            assert f"/endpoints/{endpoint_id}\n" in text
            for link in re.findall(r"^http://\S+$", text, re.MULTILINE):
                answer = await one.http.get(
                    f"{one.url}{httpx.URL(link).raw_path.decode()}", headers={"accept": "text/html"}
                )
                assert answer.status_code in {200, 303}, link
            (told,) = [line for line in one.log() if line.get("event") == "owner.told"]
            assert told["endpoint"] == endpoint_id
            log = (tmp_path / "serve.log").read_text()
    for secret in ("jan@example.pl", "/path", "query="):
        assert secret not in text + log
    assert PASSWORD not in log
    assert "p@ss" not in log
