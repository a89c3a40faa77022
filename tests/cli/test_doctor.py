"""`goniec doctor`: what it looks at, what it finds, and that it changes nothing."""

import http.server
import json
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from typing_extensions import override

from goniec.cli.diagnosis import _disk, _workers
from goniec.settings import read_settings
from goniec.store.rows import BEHIND
from tests.cli.commands import goniec, serving
from tests.cli.conftest import Worked
from tests.imapserver import PASSWORD, mailbox
from tests.postbox import postbox

NETWORKS = "127.0.0.1"


def examine(folder: Path, **settings: str) -> dict[str, dict[str, Any]]:
    """Give the findings that are problems, by check."""
    ran = goniec(folder, "doctor", "--json", **settings)
    assert ran.stderr == ""
    told = json.loads(ran.stdout)["findings"]
    problems = {one["check"]: one for one in told if one.get("problem")}
    assert ran.returncode == (1 if problems else 0)
    assert all(one["check"] in {"database", "schema"} or one["advice"] for one in problems.values())
    return problems


def change(folder: Path, *statements: str) -> None:
    db = apsw.Connection(str(folder / "goniec.db"))
    try:
        for sql in statements:
            db.execute(sql)
    finally:
        db.close()


def test_all_is_well(worked: Worked) -> None:
    ran = goniec(worked.folder, "doctor", allow_networks=f"{NETWORKS}, 10.0.0.0/8", port=free_port())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "PROBLEM" not in ran.stdout
    # A44: what is in force, as it was understood
    assert "GONIEC_ALLOW_NETWORKS    127.0.0.1/32, 10.0.0.0/8" in ran.stdout
    checks = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("  ok ")]
    assert checks == [
        "disk",
        "schema",
        "database",
        "ledger",
        "server",
        "queue",
        "clock",
        "rules",
        "quarantine",
        "secrets",
        "reach",
        "mail",
        "mailbox",
    ]
    assert (
        " + duplicates 0 + refused 0; made 1 = pending 0 + held 0 + delivered 1 + failed 0 + cancelled 0" in ran.stdout
    )
    assert "nothing answers" in ran.stdout


def test_it_tells_secrets_by_their_number_only(worked: Worked) -> None:
    ran = goniec(worked.folder, "doctor", "--json", secret_key="k" * 32 + "," + "q" * 32)
    told = json.loads(ran.stdout)
    assert told["settings"]["secret_key"] == 2
    assert "kkkk" not in ran.stdout
    assert told["settings"]["timezone"] == "Europe/Warsaw"
    assert told["settings"]["ca_file"] is None
    assert ran.returncode == 1


def test_a_server_that_runs_is_asked(worked: Worked) -> None:
    port = free_port()
    with serving(worked.folder, port=port, allow_networks=NETWORKS):
        ran = goniec(worked.folder, "doctor", port=port, allow_networks=NETWORKS)
    assert ran.returncode == 0
    assert f"answers at 127.0.0.1 port {port}, and is ready" in ran.stdout


def test_a_server_of_another_database_is_not_taken_for_this_ones(worked: Worked, tmp_path: Path) -> None:
    port = free_port()
    other = tmp_path / "other"
    other.mkdir()
    with serving(other, port=port):
        assert goniec(other, "doctor", port=port).returncode == 0, "its own, though nobody had asked it so far"
        problem = examine(worked.folder, port=port, allow_networks=NETWORKS)["server"]
    assert f"works on another database than {worked.folder / 'goniec.db'}" in problem["detail"]
    assert "GONIEC_DATA_DIR" in problem["advice"]


def test_any_free_port_is_shown_as_that_and_not_asked(worked: Worked) -> None:
    ran = goniec(worked.folder, "doctor", port="0", allow_networks=NETWORKS)
    assert re.search(r"^  GONIEC_PORT +0$", ran.stdout, re.MULTILINE)
    assert re.search(r"^  GONIEC_SECRET_KEY +none$", ran.stdout, re.MULTILINE)
    assert "GONIEC_PORT is 0, any free one: which one it took stands in its log" in ran.stdout


def test_something_that_is_no_goniec_answers(worked: Worked) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Files) as other:
        answering = threading.Thread(target=other.handle_request)
        answering.start()
        problem = examine(worked.folder, port=str(other.server_port), allow_networks=NETWORKS)["server"]
        answering.join()
    assert problem["detail"] == f"what answers at 127.0.0.1 port {other.server_port} is no Goniec"


class Files(http.server.BaseHTTPRequestHandler):
    """A web server of some other kind."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>It works!</h1>")

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_something_else_answers(worked: Worked) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        started = time.monotonic()
        ran = goniec(worked.folder, "doctor", port=port, allow_networks=NETWORKS)
        assert time.monotonic() - started < 60
    assert f"nothing answers at 127.0.0.1 port {port}" in ran.stdout


def test_a_key_file_that_is_not_made_yet(tmp_path: Path) -> None:
    assert goniec(tmp_path, "migrate").returncode == 0
    ran = goniec(tmp_path, "doctor", port=free_port())
    assert ran.returncode == 0
    assert f"{tmp_path / 'goniec.key'} is not there, and nothing is sealed yet" in ran.stdout


def test_there_is_no_database(tmp_path: Path) -> None:
    assert "there is no database" in examine(tmp_path)["database"]["detail"]
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("content", [b"never a database\n" * 1000, b""])
def test_no_database_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "goniec.db").write_bytes(content)
    assert {*examine(tmp_path)} <= {"database", "schema"}
    assert (tmp_path / "goniec.db").read_bytes() == content


def test_a_schema_that_is_behind_is_told_and_left_alone(worked: Worked) -> None:
    change(worked.folder, "UPDATE alembic_version SET version_num = '0000'")
    problem = examine(worked.folder)["schema"]
    assert "schema 0000" in problem["detail"]
    assert "goniec migrate" in problem["advice"]
    assert [*worked.folder.glob("*.schema-*")] == []


def test_a_schema_that_is_ahead(worked: Worked) -> None:
    change(worked.folder, "UPDATE alembic_version SET version_num = '9999'")
    assert "install the newer Goniec" in examine(worked.folder)["database"]["detail"]


def test_a_corrupt_rule(worked: Worked) -> None:
    change(worked.folder, "UPDATE rules SET doc = x'7b'")
    problems = examine(worked.folder, allow_networks=NETWORKS)
    assert {*problems} == {"database"}
    assert worked.rule in problems["database"]["detail"]


def test_a_rule_that_cannot_run(worked: Worked) -> None:
    replaced = "replace(CAST(doc AS TEXT), '\"gte\"', '\"between\"')"
    change(worked.folder, f"UPDATE rules SET doc = CAST({replaced} AS BLOB)")
    problems = examine(worked.folder, allow_networks=NETWORKS)
    assert {*problems} == {"rules"}
    assert worked.rule in problems["rules"]["detail"]


def test_a_ledger_that_does_not_add_up(worked: Worked) -> None:
    change(worked.folder, "UPDATE totals SET value = value + 1 WHERE name = 'made'")
    problems = examine(worked.folder, allow_networks=NETWORKS)
    assert problems["ledger"]["detail"] == "made 2, counted 1"


def test_a_pending_delivery_that_is_in_no_queue(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    assert examine(worked.folder, allow_networks=NETWORKS) == {}
    change(worked.folder, "DELETE FROM queue")
    problem = examine(worked.folder, allow_networks=NETWORKS)["queue"]
    told = f"pending deliveries to {worked.endpoint} that are in no queue: 1, such as {worked.delivery}"
    assert problem["detail"] == told
    assert "deliveries resend" in problem["advice"]
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    assert examine(worked.folder, allow_networks=NETWORKS) == {}


def test_a_place_behind_one_that_has_gone(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    change(worked.folder, f"UPDATE queue SET lane = 1, due_at = {BEHIND}")
    problem = examine(worked.folder, allow_networks=NETWORKS)["queue"]
    told = f"waiting for {worked.endpoint} behind one that has gone: 1, such as {worked.delivery}"
    assert problem["detail"] == told
    assert f"deliveries resend {worked.delivery}" in problem["advice"]
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    assert examine(worked.folder, allow_networks=NETWORKS) == {}


def test_a_place_in_the_queue_for_what_is_not_pending(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    change(worked.folder, "UPDATE queue SET delivery_id = 'dlv_0'")
    ran = goniec(worked.folder, "doctor", allow_networks=NETWORKS)
    assert ran.returncode == 1
    assert f"in the queue for {worked.endpoint}, but not pending or not there: 1, such as dlv_0" in ran.stdout
    assert f"pending deliveries to {worked.endpoint} that are in no queue: 1" in ran.stdout


def test_deliveries_whose_endpoint_is_not_there(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    change(worked.folder, "DELETE FROM endpoints")
    problem = examine(worked.folder, allow_networks=NETWORKS)["queue"]
    assert f"in the queue for {worked.endpoint}, which is not there: 1" in problem["detail"]
    assert f'{{"endpointId": "{worked.endpoint}"}}' in problem["advice"]


def test_an_endpoint_whose_figures_do_not_add_up(worked: Worked) -> None:
    change(worked.folder, "UPDATE balances SET delivered = 7 WHERE kind = 'endpoint'")
    problem = examine(worked.folder, allow_networks=NETWORKS)["ledger"]
    assert problem["detail"] == f"{worked.endpoint} delivered 7, counted 1"
    change(worked.folder, "DELETE FROM balances WHERE kind = 'endpoint'")
    assert f"{worked.endpoint} made 0, counted 1" in examine(worked.folder, allow_networks=NETWORKS)["ledger"]["detail"]
    change(worked.folder, "INSERT INTO balances VALUES ('rule', 'rul_0', 1, 0, 0, 1, 0, 0)")
    assert "rul_0 made 1, counted 0" in examine(worked.folder, allow_networks=NETWORKS)["ledger"]["detail"]


def test_an_endpoint_that_is_left_alone_while_it_fails(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    opened = '{"opened_at":1}'
    change(worked.folder, f"UPDATE endpoints SET breaker = CAST('{opened}' AS BLOB)")
    change(worked.folder, "UPDATE queue SET due_at = due_at - 3600000")
    ran = goniec(worked.folder, "doctor", allow_networks=NETWORKS)
    assert f"{worked.endpoint} takes nothing and is asked now and then" in ran.stdout, ran.stdout


def test_what_keeps_failing_is_told_by_its_code(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    change(worked.folder, "UPDATE endpoints SET breaker = CAST('{\"opened_at\":1}' AS BLOB)")
    change(worked.folder, "UPDATE attempts SET failure = 'tooManyRequests', status = 429")
    ran = goniec(worked.folder, "doctor", allow_networks=NETWORKS)
    assert f"{worked.endpoint} takes nothing (tooManyRequests, status 429) and is asked" in ran.stdout, ran.stdout
    change(worked.folder, "UPDATE attempts SET failure = 'addressRefused', status = NULL, detail = 'a private address'")
    problem = examine(worked.folder, allow_networks=NETWORKS)["queue"]
    assert f"{worked.endpoint} may not be reached (addressRefused); deliveries that wait" in problem["detail"]
    assert "a private address" in problem["advice"]


def test_nobody_who_delivers_is_a_problem_once_something_waits() -> None:
    assert not _workers([], 0).problem
    told = _workers([], 3)
    assert told.problem
    assert told.detail == "no worker is running, so nothing is delivered; deliveries that wait: 3"


def test_deliveries_that_are_overdue(worked: Worked) -> None:
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    change(worked.folder, "UPDATE queue SET due_at = due_at - 3600000")
    problem = examine(worked.folder, allow_networks=NETWORKS)["queue"]
    assert f"deliveries due at {worked.endpoint}: 1, the oldest since" in problem["detail"]


def test_deliveries_that_wait_for_a_paused_endpoint(worked: Worked) -> None:
    assert goniec(worked.folder, "backup", "copy.db").returncode == 0
    assert goniec(worked.folder, "restore", "copy.db").returncode == 0
    assert goniec(worked.folder, "deliveries", "resend", worked.delivery).returncode == 0
    ran = goniec(worked.folder, "doctor", allow_networks=NETWORKS)
    assert ran.returncode == 0
    assert f"{worked.endpoint} is paused; deliveries that wait for it: 1" in ran.stdout
    assert f"/endpoints/{worked.endpoint}/resume" in ran.stdout


def test_what_could_not_be_recorded(worked: Worked) -> None:
    change(worked.folder, "INSERT INTO quarantine (at, reason, content) VALUES (0, 'ValueError: what', x'00')")
    assert "ValueError: what" in examine(worked.folder, allow_networks=NETWORKS)["quarantine"]["detail"]


def test_a_clock_that_went_back(worked: Worked) -> None:
    change(worked.folder, "UPDATE events SET received_at = received_at + 86400000")
    assert "set the clock" in examine(worked.folder, allow_networks=NETWORKS)["clock"]["advice"]


def test_keys_that_do_not_fit(worked: Worked) -> None:
    key_file = worked.folder / "goniec.key"
    text = key_file.read_text()
    key_file.chmod(0o644)
    assert "chmod 600" in examine(worked.folder, allow_networks=NETWORKS)["secrets"]["advice"]
    key_file.chmod(0o600)
    key_file.write_text("another key\n")
    assert worked.endpoint in examine(worked.folder, allow_networks=NETWORKS)["secrets"]["detail"]
    key_file.unlink()
    missing = examine(worked.folder, allow_networks=NETWORKS)["secrets"]
    assert missing["detail"].startswith(f"{key_file} is not there, and the secrets of {worked.endpoint} are sealed")
    assert "put the file back" in missing["advice"]
    assert not key_file.exists()
    key_file.mkdir()
    assert "cannot be read" in examine(worked.folder, allow_networks=NETWORKS)["secrets"]["detail"]
    key_file.rmdir()
    assert examine(worked.folder, allow_networks=NETWORKS, secret_key=text.strip()) == {}


def test_endpoints_that_may_not_be_reached_any_more(worked: Worked) -> None:
    problem = examine(worked.folder)["reach"]
    assert problem["detail"] == f"{worked.endpoint} may not be reached"
    assert "GONIEC_ALLOW_NETWORKS" in problem["advice"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_mail_that_cannot_be_sent(worked: Worked) -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        server = f"goniec:p%40ss@127.0.0.1:{box.port}?starttls=never"
        settings = {"allow_networks": NETWORKS, "mail_from": "goniec@example.com"}
        right = goniec(worked.folder, "doctor", **settings, smtp_url=f"smtp://{server}")
        assert f"GONIEC_SMTP_URL          smtp://127.0.0.1:{box.port}?starttls=never\n" in right.stdout
        assert (
            f"mail       smtp://127.0.0.1:{box.port}?starttls=never lets us in; endpoints with an owner: 0"
            in right.stdout
        )
        machine = goniec(worked.folder, "doctor", "--json", **settings, smtp_url=f"smtp://{server}")
        told = examine(worked.folder, **settings, smtp_url=f"smtp://{server.replace('p%40ss', 'wr0ng')}")["mail"]
    assert "does not take mail from us: SMTPAuthenticationError" in told["detail"]
    assert box.letters == []
    for text in (right.stdout, machine.stdout, told["detail"]):
        assert "p@ss" not in text
        assert "p%40ss" not in text
        assert "wr0ng" not in text
    sql = "UPDATE endpoints SET doc = CAST(json_set(doc, '$.policy.owner', 'jan@example.com') AS BLOB)"
    change(worked.folder, sql)
    nobody = examine(worked.folder, allow_networks=NETWORKS)["mail"]
    assert nobody["detail"] == f"not set up, so that nobody is told of {worked.endpoint}"


def test_a_mailbox_that_cannot_be_read(worked: Worked) -> None:
    settings = {"allow_networks": NETWORKS, "bounce_address": "bounces@example.com"}
    with mailbox() as box:
        box.put(b"Subject: hello\r\n\r\n")
        shown = f"imap://127.0.0.1:{box.port}/INBOX?starttls=never"
        right = goniec(worked.folder, "doctor", **settings, imap_url=box.url)
        assert f"mailbox    {shown} lets us in" in right.stdout
        told = examine(worked.folder, **settings, imap_url=box.url.replace("p%40ss", "wr0ng"))["mailbox"]
        assert f"{shown} cannot be read: error: [AUTHENTICATIONFAILED]" in told["detail"]
        assert box.count("UNSEEN") == 1
    for text in (right.stdout, told["detail"]):
        assert "p%40ss" not in text
        assert PASSWORD not in text
        assert "wr0ng" not in text
    nobody = goniec(worked.folder, "doctor", **settings)
    assert "what comes back to bounces@example.com is read by nobody here" in nobody.stdout


def test_a_full_disk(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings({}, worked.folder)
    assert [one.problem for one in _disk(settings)] == [False]
    monkeypatch.setattr("shutil.disk_usage", lambda _: FullDisk())
    (finding,) = _disk(settings)
    assert finding.problem
    assert finding.detail.startswith("1 MB free")


class FullDisk:
    """A disk as `shutil` tells of one."""

    free = 1_000_000


def free_port() -> str:
    """Give a port that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])
