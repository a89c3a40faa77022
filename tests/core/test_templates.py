"""The ready-made rules: complete in both languages, and accepted as they stand."""

import msgspec
import pytest

from goniec.core.actions import BasicAuth, Webhook
from goniec.core.drafts import read_draft
from goniec.core.templates import TEMPLATES, Template, from_template

WEBHOOK = Webhook(url="https://crm.example/hook", basic_auth=BasicAuth("goniec", "secret"))


def test_there_is_one_for_each_use() -> None:
    assert [*TEMPLATES] == ["crm", "opened", "stage", "score", "tag"]
    assert {trigger.__struct_config__.tag for one in TEMPLATES.values() for trigger in one.triggers} == {
        "contact.created",
        "contact.changed",
        "email.opened",
        "contact.stage_entered",
        "contact.score_changed",
        "contact.tagged",
    }


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.id)
def test_a_template_is_a_rule_that_can_be_saved(template: Template) -> None:
    for language in ("pl", "en"):
        draft = from_template(template, language, WEBHOOK)
        assert draft.name
        assert draft.description
        assert not draft.active
        sent = msgspec.json.decode(msgspec.json.encode(draft))
        read = read_draft({key: value for key, value in sent.items() if value is not None}, {})
        assert (read.name, read.description, read.triggers, read.actions) == (
            draft.name,
            draft.description,
            draft.triggers,
            (WEBHOOK,),
        )
    assert template.name.pl != template.name.en
    assert template.description.pl != template.description.en
