"""Ready-made rules: one for each of the five usual reasons to tell another system by webhook.

The panel offers them when a rule is made, the documentation shows them as recipes, the demo runs them. A template is
the trigger and the words; where to send is what the user adds.
"""

from typing import Final, Literal

from msgspec import Struct

from goniec.core.actions import Webhook
from goniec.core.labels import Label
from goniec.core.rules import RuleDraft
from goniec.core.triggers import (
    ContactChanged,
    ContactCreated,
    EmailOpened,
    ScoreChanged,
    StageEntered,
    Tagged,
    Trigger,
)


class Template(Struct, frozen=True):
    """A rule without its webhook. `description` becomes the rule's comment, which the receiver gets to read."""

    id: str
    name: Label
    description: Label
    triggers: tuple[Trigger, ...]


TEMPLATES: Final[dict[str, Template]] = {
    template.id: template
    for template in (
        Template(
            "crm",
            Label("Kontakty do CRM", "Contacts to the CRM"),
            Label("nowy kontakt lub zmiana jego danych", "a contact is new, or its data changed"),
            (ContactCreated(), ContactChanged(fields=("email", "phone", "name", "company"))),
        ),
        Template(
            "opened",
            Label("Otwarcie wiadomości", "Message opened"),
            Label("kontakt otworzył wiadomość e-mail", "the contact opened an e-mail"),
            (EmailOpened(),),
        ),
        Template(
            "stage",
            Label("Etap lejka sprzedażowego", "Sales funnel stage"),
            Label("kontakt wszedł na etap lejka", "the contact entered a stage of a funnel"),
            (StageEntered(),),
        ),
        Template(
            "score",
            Label("Osiągnięty scoring", "Score reached"),
            Label("kontakt osiągnął 100 punktów", "the contact reached 100 points"),
            (ScoreChanged(mode="crossed", value=100),),
        ),
        Template(
            "tag",
            Label("Segment dodany do kontaktu", "Segment added to a contact"),
            Label("kontakt otrzymał tag VIP", "the contact got the tag VIP"),
            (Tagged(tags=("VIP",)),),
        ),
    )
}
"""By id, in the order in which they are shown."""


def from_template(template: Template, language: Literal["pl", "en"], webhook: Webhook) -> RuleDraft:
    """Make the draft of a rule, not yet active, that tells an endpoint."""
    return RuleDraft(
        name=getattr(template.name, language),
        description=getattr(template.description, language),
        triggers=template.triggers,
        actions=(webhook,),
    )
