"""A folder in which a Goniec has worked: a rule that fired for Jan and not for Ola, and the webhook that arrived."""

import re
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.commands import call, goniec, line_with, running, serving

RULE = {
    "name": "VIP do CRM",
    "active": True,
    "triggers": [{"type": "contact.tagged", "tags": ["VIP"]}],
    "conditions": {"type": "all", "of": [{"type": "score", "op": "gte", "value": 10}]},
}


class Worked(NamedTuple):
    """The folder, and the ids of what is in it."""

    folder: Path
    rule: str
    endpoint: str
    jan: str
    ola: str
    delivery: str


@pytest.fixture(scope="session")
def _worked(tmp_path_factory: pytest.TempPathFactory) -> Worked:
    folder = tmp_path_factory.mktemp("worked")
    assert goniec(folder, "migrate").returncode == 0
    key = goniec(folder, "key", "create", "sklep", "--scope", "admin").stdout.strip()
    with running(folder, "receive", "--port", "0", "--user", "crm", "--password", "hunter2") as receiver:
        found = re.search(r"http://[\d.:]+", line_with(receiver.stderr, "Listening"))
        assert found is not None
        with serving(folder, allow_networks="127.0.0.1") as (_, url):
            basic = {"username": "crm", "password": "hunter2"}
            webhook = {"type": "webhook", "url": f"{found[0]}/hook", "basicAuth": basic}
            rule = call(url, key, "POST", "/rules", {**RULE, "actions": [webhook]})
            jan = call(url, key, "POST", "/contacts", {"email": "jan@example.com", "externalId": "7"})["id"]
            ola = call(url, key, "POST", "/contacts", {"email": "Ola@example.com"})["id"]
            call(url, key, "POST", f"/contacts/{jan}/score", {"set": 10})
            for contact in (jan, ola):
                call(url, key, "POST", f"/contacts/{contact}/tags", {"add": ["VIP"]})
            (delivery,) = call(url, key, "GET", "/deliveries")["items"]
            while delivery["status"] == "pending":
                time.sleep(0.02)  # the answer is not there before the receiver's is
                (delivery,) = call(url, key, "GET", "/deliveries")["items"]
            assert delivery["status"] == "delivered"
    return Worked(folder, rule["id"], delivery["endpointId"], jan, ola, delivery["id"])


@pytest.fixture
def worked(_worked: Worked, tmp_path: Path) -> Worked:
    """Give a copy of the folder, to do with as one likes."""
    copy = tmp_path / "worked"
    shutil.copytree(_worked.folder, copy)
    return _worked._replace(folder=copy)
