"""`goniec explain`: why, and why not."""

import pytest

from tests.cli.commands import goniec
from tests.cli.conftest import Worked


def test_why_it_fired(worked: Worked) -> None:
    ran = goniec(worked.folder, "explain", worked.rule, worked.jan)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"Rule {worked.rule} „VIP do CRM” and contact {worked.jan}\n")
    assert "fired: once, last for contact.tagged" in ran.stdout
    assert "yes  /conditions/of/0 score, saw 10" in ran.stdout
    assert f"webhook {worked.delivery}: delivered" in ran.stdout


def test_why_it_did_not(worked: Worked) -> None:
    ran = goniec(worked.folder, "explain", worked.rule, worked.ola)
    assert ran.returncode == 0
    assert "conditionsFailed: once, last for contact.tagged" in ran.stdout
    assert "no   /conditions/of/0 score, saw 0" in ran.stdout
    assert "webhook" not in ran.stdout


@pytest.mark.parametrize("contact", ["jan@example.com", "JAN@example.com", "7"])
def test_rule_and_contact_by_what_people_call_them(worked: Worked, contact: str) -> None:
    ran = goniec(worked.folder, "explain", "VIP do CRM", contact)
    assert ran.returncode == 0
    assert f"contact {worked.jan}" in ran.stdout


def test_a_rule_or_contact_that_is_not_there(worked: Worked) -> None:
    ran = goniec(worked.folder, "explain", "VIP", "jan@example.com")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "goniec: there is no rule VIP; there are:",
        f"goniec:   {worked.rule}  VIP do CRM",
    ]
    ran = goniec(worked.folder, "explain", worked.rule, "nobody@example.com")
    assert ran.returncode == 1
    assert ran.stderr.startswith("goniec: there is no contact with the id, e-mail or externalId nobody@example.com")
