"""`goniec deliveries`: the log, one delivery in full, and once more."""

import json
import re
from pathlib import Path

import apsw
import pytest

from tests.cli.commands import call, goniec, serving
from tests.cli.conftest import Worked


def test_the_list(worked: Worked) -> None:
    ran = goniec(worked.folder, "deliveries", "list")
    assert (ran.returncode, ran.stderr) == (0, "")
    head, row = ran.stdout.splitlines()
    assert head.split() == ["delivery", "status", "attempts", "made", "endpoint", "event"]
    id, status, attempts, _, host, event = row.split()
    assert (id, status, attempts, event) == (worked.delivery, "delivered", "1", "contact.tagged")
    assert host.startswith("127.0.0.1:")


def test_filters_and_the_limit(worked: Worked) -> None:
    def listed(*arguments: str) -> list[str]:
        ran = goniec(worked.folder, "deliveries", "list", "--json", *arguments)
        assert ran.returncode == 0
        return [json.loads(line)["id"] for line in ran.stdout.splitlines()]

    one = [worked.delivery]
    assert listed() == one
    assert listed("--status", "delivered", "--rule", worked.rule, "--endpoint", worked.endpoint) == one
    assert listed("--contact", worked.jan, "--since", "2020-01-01T00:00:00Z") == one
    assert listed("--contact", worked.ola) == []
    assert listed("--status", "failed") == []
    assert listed("--error", "connectFailed") == []
    assert listed("--until", "2020-01-01T00:00:00Z") == []
    ran = goniec(worked.folder, "deliveries", "list", "--limit", "1")
    assert "The newest 1; --limit shows more." in ran.stderr


@pytest.mark.parametrize("what", ["rule", "endpoint", "contact"])
def test_a_filter_by_something_that_is_not_there(worked: Worked, what: str) -> None:
    ran = goniec(worked.folder, "deliveries", "list", f"--{what}", "nix")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"goniec: there is no {what} ")
    if what != "contact":
        assert f"goniec:   {getattr(worked, what)}  " in ran.stderr, "what there is"


def test_a_failure_has_the_name_that_everything_else_prints(worked: Worked) -> None:
    ran = goniec(worked.folder, "deliveries", "export", "--error", "connect")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert '"connectFailed", "connectTimeout"' in ran.stderr


def test_one_that_waits_says_for_what(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0

    def shown(column: str, value: str) -> str:
        db = apsw.Connection(str(worked.folder / "goniec.db"))
        db.execute(f"UPDATE endpoints SET {column} = {value}")
        db.close()
        return goniec(worked.folder, "deliveries", "show", worked.delivery).stdout.splitlines()[0]

    assert shown("held_until", "32503680000000").endswith("pending, next attempt 3000-01-01T00:00:00.000Z")
    assert re.search(
        r"pending, waits until its endpoint answers, which is asked next at 3000-01-01T00:00:00\.000Z$",
        shown("breaker", """CAST('{"opened_at":1}' AS BLOB)"""),
    )


def test_one_in_full(worked: Worked) -> None:
    ran = goniec(worked.folder, "deliveries", "show", worked.delivery)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == f"{worked.delivery}  delivered"
    body = json.loads(lines[-1])
    assert [*body] == ["id", "name", "contactId", "description", "email", "phone", "company"]
    assert (body["id"], body["contactId"], body["email"]) == (worked.rule, worked.jan, "jan@example.com")
    assert "attempt 1 " in ran.stdout
    assert re.search(r": status 200 after \d+ ms, delivered$", ran.stdout, re.MULTILINE)
    assert "HTTP/1.1 200 OK\n" in ran.stdout
    assert "hunter2" not in ran.stdout
    assert "/hook" not in ran.stdout


def test_json_is_what_the_api_gives(worked: Worked) -> None:
    key = goniec(worked.folder, "key", "create", "reader", "--scope", "read").stdout.strip()
    with serving(worked.folder) as (_, url):
        by_api = call(url, key, "GET", f"/deliveries/{worked.delivery}")
        ran = goniec(worked.folder, "deliveries", "show", worked.delivery, "--json")
        assert json.loads(ran.stdout) == by_api
        listed = call(url, key, "GET", "/deliveries")["items"]
        ran = goniec(worked.folder, "deliveries", "list", "--json")
        assert [json.loads(line) for line in ran.stdout.splitlines()] == listed


def test_one_that_is_not_there(worked: Worked) -> None:
    ran = goniec(worked.folder, "deliveries", "show", "dlv_1")
    assert ran.returncode == 1
    assert ran.stderr == "goniec: there is no delivery dlv_1; goniec deliveries list shows them\n"


def test_once_more(worked: Worked) -> None:
    ran = goniec(worked.folder, "deliveries", "resend", worked.delivery, "dlv_1")
    assert ran.returncode == 1
    assert f"{worked.delivery} will be sent again" in ran.stderr
    assert "dlv_1: there is no such delivery" in ran.stderr
    assert ran.stdout == ""
    shown = goniec(worked.folder, "deliveries", "show", worked.delivery).stdout
    assert f"{worked.delivery}  pending, next attempt " in shown
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0


def test_not_once_more_for_somebody_who_was_erased(worked: Worked) -> None:
    key = goniec(worked.folder, "key", "create", "admin", "--scope", "admin").stdout.strip()
    with serving(worked.folder) as (_, url):
        call(url, key, "DELETE", f"/contacts/{worked.jan}")
    ran = goniec(worked.folder, "deliveries", "resend", worked.delivery)
    assert ran.returncode == 1
    assert "nothing left to send" in ran.stderr
    assert goniec(worked.folder, "deliveries", "show", worked.delivery).returncode == 0


def test_a_test_send_has_no_event(worked: Worked) -> None:
    key = goniec(worked.folder, "key", "create", "admin", "--scope", "admin").stdout.strip()
    with serving(worked.folder, allow_networks="127.0.0.1") as (_, url):
        sent = call(url, key, "POST", f"/rules/{worked.rule}/testSend", {})
    ran = goniec(worked.folder, "deliveries", "show", sent["deliveryId"])
    assert ran.returncode == 0
    assert f"because  somebody tried the rule {worked.rule} out" in ran.stdout
    assert re.search(r": no answer after \d+ ms, connectFailed: ", ran.stdout)


def test_an_empty_log(tmp_path: Path) -> None:
    assert goniec(tmp_path, "migrate").returncode == 0
    ran = goniec(tmp_path, "deliveries", "list")
    assert (ran.returncode, len(ran.stdout.splitlines())) == (0, 1)


def test_an_export(worked: Worked) -> None:
    ran = goniec(worked.folder, "deliveries", "export", "--email", "JAN@example.com", "--status", "delivered")
    assert (ran.returncode, ran.stderr) == (0, "")
    head, row = ran.stdout.splitlines()
    assert head.startswith("id,status,endpointId,contactId,")
    assert row.startswith(f"{worked.delivery},delivered,{worked.endpoint},{worked.jan},")
    ran = goniec(worked.folder, "deliveries", "export", "--format", "jsonl", "--error", "timeout")
    assert (ran.returncode, ran.stdout) == (0, "")
    ran = goniec(worked.folder, "deliveries", "export", "--format", "jsonl")
    assert [json.loads(line)["id"] for line in ran.stdout.splitlines()] == [worked.delivery]


def test_the_log_about_an_e_mail(worked: Worked) -> None:
    ran = goniec(worked.folder, "deliveries", "list", "--json", "--email", "jan@example.com", "--contact", worked.jan)
    assert json.loads(ran.stdout)["id"] == worked.delivery
    for arguments, said in (
        (("--email", "nobody@example.com"), "there is no contact with this e-mail"),
        (("--email", "nobody"), "--email: "),
        (("--email", "jan@example.com", "--contact", worked.ola), f"is {worked.jan}, and not {worked.ola}"),
    ):
        ran = goniec(worked.folder, "deliveries", "list", *arguments)
        assert ran.returncode in {1, 2}
        assert said in ran.stderr
