"""What the rule form asks for each kind of trigger, condition and action.

A kind's fields are those of its struct in the core; here they get a label, a widget, and what to choose from. Called by
`ruleform`, which reads and shows them. A test sees to it that every field of every kind is here.
"""

from typing import Final, Literal

from msgspec import Struct

from goniec.core.labels import CHANNELS, FIELDS, SOURCES, STATES, Label

Widget = Literal["text", "long", "number", "tokens", "checks", "select", "truth", "operand", "state", "properties"]
Suggest = Literal[
    "tag", "detail", "consent", "funnel", "stage", "endpoint", "rule", "key", "kind", "owner", "message", "user"
]
Choices = tuple[tuple[str, Label], ...]


class Field(Struct, frozen=True):
    """One field of a kind; `key` is its name in JSON.

    `suggest` names what there is to choose from, `more` puts it into the part that is folded away, `kind` says what an
    operand is compared with, and `optional` that it may stay empty.
    """

    key: str
    label: Label
    widget: Widget = "text"
    choices: Choices = ()
    suggest: Suggest | None = None
    more: bool = False
    kind: Literal["TEXT", "NUMBER", "ANY"] = "ANY"
    optional: bool = False
    default: str = ""


def _choices(labels: dict[str, Label], *keys: str) -> Choices:
    return tuple((key, labels[key]) for key in keys or labels)


ANY: Final = Label("dowolny", "any")
_TRUTH: Final[Choices] = (
    ("", Label("bez znaczenia", "either")),
    ("true", Label("tak", "yes")),
    ("false", Label("nie", "no")),
)
_SAID: Final[Choices] = (
    ("true", Label("udzielona", "granted")),
    ("false", Label("wycofana", "withdrawn")),
    ("null", Label("bez odpowiedzi", "never asked")),
)
_JOINED: Final[Choices] = (
    ("true", Label("zapisany", "subscribed")),
    ("false", Label("wypisany", "unsubscribed")),
    ("null", Label("bez decyzji", "no decision")),
)

_TAGS: Final = Field("tags", Label("Tagi (dowolny z)", "Tags (any of)"), "tokens", suggest="tag", optional=True)
_FUNNEL: Final = Field("funnel", Label("Lejek", "Funnel"), "select", suggest="funnel", optional=True)
_STAGES: Final = Field(
    "stages", Label("Etapy (dowolny z)", "Stages (any of)"), "tokens", suggest="stage", optional=True
)
_CHANNEL: Final = Field("channel", Label("Kanał", "Channel"), "select", (("", ANY), *_choices(CHANNELS)), optional=True)
_DETAILS: Final = (
    Field("names", Label("Szczegóły (dowolny z)", "Details (any of)"), "tokens", suggest="detail", optional=True),
    Field("values", Label("Wartości (dowolna z)", "Values (any of)"), "tokens", optional=True),
)
_MESSAGES: Final = Field(
    "messages", Label("Wiadomości (dowolna z)", "Messages (any of)"), "checks", suggest="message", optional=True
)
_READ: Final = (
    _MESSAGES,
    Field("first", Label("Pierwszy raz", "The first time"), "truth", _TRUTH, optional=True),
    Field(
        "machine",
        Label("Kto", "Who"),
        "truth",
        (
            ("", Label("człowiek", "a person")),
            ("true", Label("program pocztowy lub skaner", "a mail program or scanner")),
            ("null", Label("ktokolwiek", "anybody")),
        ),
        more=True,
        optional=True,
    ),
)
_URLS: Final = Field(
    "urls",
    Label("Adresy (** zastępuje dowolny fragment)", "Addresses (** stands for anything)"),
    "tokens",
    optional=True,
)
_EXTERNAL: Final = (
    Field("kinds", Label("Rodzaje (dowolny z)", "Kinds (any of)"), "tokens", suggest="kind", optional=True),
    Field("value", Label("Wartość zdarzenia", "Value of the event"), "operand", optional=True, more=True),
    Field("products", Label("Produkty (dowolny z)", "Products (any of)"), "tokens", optional=True, more=True),
    Field("properties", Label("Właściwości", "Properties"), "properties", optional=True, more=True),
)
_DAYS: Final = Field("days", Label("Liczba dni", "Days"), "number", optional=True)

SOURCE_FIELDS: Final = (
    Field("source", Label("Tylko z tych źródeł", "Only from these sources"), "checks", _choices(SOURCES), more=True),
    Field("sourceKey", Label("Tylko od tych kluczy", "Only from these keys"), "tokens", suggest="key", more=True),
    Field("notSource", Label("Nie z tych źródeł", "Not from these sources"), "checks", _choices(SOURCES), more=True),
    Field("notSourceKey", Label("Nie od tych kluczy", "Not from these keys"), "tokens", suggest="key", more=True),
)
"""What every trigger can filter by."""

TRIGGERS: Final[dict[str, tuple[Field, ...]]] = {
    "contact.created": (),
    "contact.readded": (),
    "contact.changed": (
        Field(
            "fields",
            Label("Pola (dowolne z)", "Fields (any of)"),
            "checks",
            _choices(FIELDS, "email", "phone", "name", "company", "externalId", "language", "timezone"),
            optional=True,
        ),
    ),
    "contact.tagged": (_TAGS,),
    "contact.untagged": (_TAGS,),
    "contact.detail_added": _DETAILS,
    "contact.detail_changed": _DETAILS,
    "contact.detail_removed": _DETAILS,
    "contact.score_changed": (
        Field(
            "mode",
            Label("Sposób", "How"),
            "select",
            (
                ("crossed", Label("osiągnął lub przekroczył", "reached or passed")),
                ("equals", Label("jest równy", "equals")),
                ("whileAbove", Label("jest wyższy niż", "is above")),
            ),
            default="crossed",
        ),
        Field("value", Label("Liczba punktów", "Points"), "number", optional=True),
        Field(
            "scope",
            Label("Czego scoring", "Whose score"),
            "select",
            (
                ("contact", Label("kontaktu", "the contact's")),
                ("tag", Label("tagu", "a tag's")),
                ("stage", Label("etapu lejka", "a funnel stage's")),
            ),
            default="contact",
            more=True,
        ),
        Field("tag", Label("Tag", "Tag"), suggest="tag", optional=True, more=True),
        Field("funnel", Label("Lejek", "Funnel"), "select", suggest="funnel", optional=True, more=True),
        Field("stage", Label("Etap", "Stage"), suggest="stage", optional=True, more=True),
    ),
    "contact.stage_entered": (_FUNNEL, _STAGES),
    "contact.stage_left": (_FUNNEL, _STAGES),
    "contact.state_changed": (),
    "contact.owner_changed": (),
    "contact.note_added": (),
    "contact.opted_in": (_CHANNEL,),
    "contact.opted_out": (_CHANNEL,),
    "consent.assigned": (
        Field("consent", Label("Zgoda", "Consent"), suggest="consent", optional=True),
        Field("granted", Label("Udzielona", "Granted"), "truth", _TRUTH, optional=True),
    ),
    "email.sent": (_MESSAGES,),
    "email.opened": _READ,
    "email.clicked": (_READ[0], _URLS, *_READ[1:]),
    "email.bounced": (_MESSAGES,),
    "contact.bounce_lifted": (),
    "page.visited": (_URLS,),
    "form.submitted": (Field("forms", Label("Formularze (dowolny z)", "Forms (any of)"), "tokens", optional=True),),
    "external_event.added": _EXTERNAL,
    "external_event.changed": _EXTERNAL,
    "date.upcoming": (Field("detail", Label("Szczegół", "Detail"), suggest="detail", optional=True), _DAYS),
    "contact.inactive": (_DAYS,),
    "contact.merged": (),
    "contact.erased": (),
    "webhook.failed": (
        Field(
            "endpoints",
            Label("Endpointy (dowolny z)", "Endpoints (any of)"),
            "tokens",
            suggest="endpoint",
            optional=True,
        ),
        Field("rules", Label("Reguły (dowolna z)", "Rules (any of)"), "tokens", suggest="rule", optional=True),
    ),
    "rule.requested": (
        Field("rules", Label("Reguły (puste: ta)", "Rules (empty: this one)"), "tokens", suggest="rule", optional=True),
    ),
}

TRIGGER_GROUPS: Final[tuple[tuple[Label, tuple[str, ...]], ...]] = (
    (Label("Kontakt", "Contact"), (
        "contact.created", "contact.readded", "contact.changed", "contact.state_changed", "contact.owner_changed",
        "contact.note_added", "contact.merged", "contact.erased", "contact.inactive",
    )),
    (Label("Tagi i szczegóły", "Tags and details"), (
        "contact.tagged", "contact.untagged", "contact.detail_added", "contact.detail_changed",
        "contact.detail_removed", "date.upcoming",
    )),
    (Label("Scoring i lejki", "Score and funnels"), (
        "contact.score_changed", "contact.stage_entered", "contact.stage_left",
    )),
    (Label("Wiadomości i zgody", "Messages and consents"), (
        "email.sent", "email.opened", "email.clicked", "email.bounced", "contact.bounce_lifted", "contact.opted_in",
        "contact.opted_out", "consent.assigned",
    )),
    (Label("Strona i inne systemy", "Site and other systems"), (
        "page.visited", "form.submitted", "external_event.added", "external_event.changed", "webhook.failed",
        "rule.requested",
    )),
)  # fmt: skip

_OPERAND: Final = Field("value", Label("Wartość", "Value"), "operand")
_NUMBER: Final = Field("value", Label("Liczba punktów", "Points"), "operand", kind="NUMBER")
_TEXT: Final = Field("value", Label("Wartość", "Value"), "operand", kind="TEXT")

CONDITIONS: Final[dict[str, tuple[Field, ...]]] = {
    "score": (_NUMBER,),
    "hasTag": (
        Field(
            "mode",
            Label("Dopasowanie", "Match"),
            "select",
            (
                ("any", Label("dowolny z tagów", "any of the tags")),
                ("all", Label("wszystkie z tagów", "all of the tags")),
            ),
            default="any",
        ),
        Field("tags", Label("Tagi", "Tags"), "tokens", suggest="tag"),
    ),
    "tagScore": (Field("tag", Label("Tag", "Tag"), suggest="tag"), _NUMBER),
    "detail": (Field("name", Label("Szczegół", "Detail"), suggest="detail"), _OPERAND),
    "field": (Field("field", Label("Pole", "Field"), "select", _choices(FIELDS)), _TEXT),
    "state": (Field("value", Label("Stan", "State"), "state", _choices(STATES)),),
    "owner": (_TEXT,),
    "inStage": (Field("funnel", Label("Lejek", "Funnel"), "select", suggest="funnel"), _STAGES),
    "stageScore": (Field("funnel", Label("Lejek", "Funnel"), "select", suggest="funnel"), _NUMBER),
    "subscribed": (
        Field("channel", Label("Kanał", "Channel"), "select", _choices(CHANNELS)),
        Field("value", Label("Jest", "Is"), "truth", _JOINED, default="true"),
    ),
    "consent": (
        Field("consent", Label("Zgoda", "Consent"), suggest="consent"),
        Field("granted", Label("Jest", "Is"), "truth", _SAID, default="true"),
    ),
    "hasEmail": (),
    "hasPhone": (),
    "eventData": (Field("path", Label("Pole danych", "Field of the data")), _OPERAND),
    "eventSource": (
        Field("sources", Label("Źródła (dowolne z)", "Sources (any of)"), "checks", _choices(SOURCES), optional=True),
        Field("keys", Label("Klucze (dowolny z)", "Keys (any of)"), "tokens", suggest="key", optional=True),
    ),
}

ACTIONS: Final[dict[str, tuple[Field, ...]]] = {
    "webhook": (),
    "sendEmail": (Field("message", Label("Wiadomość", "Message"), "select", suggest="message"),),
    "notifyUser": (
        Field("user", Label("Kogo", "Whom"), "select", suggest="user"),
        Field("subject", Label("Temat", "Subject")),
        Field("text", Label("Treść", "Text"), "long"),
    ),
    "addTag": (Field("tag", Label("Tag", "Tag"), suggest="tag"),),
    "removeTag": (Field("tag", Label("Tag", "Tag"), suggest="tag"),),
    "addScore": (
        Field("points", Label("Liczba punktów (ujemna odejmuje)", "Points (negative ones subtract)"), "number"),
    ),
    "setScore": (Field("value", Label("Liczba punktów", "Points"), "number"),),
    "setDetail": (
        Field("name", Label("Szczegół", "Detail"), suggest="detail"),
        Field("value", Label("Wartość", "Value")),
    ),
    "removeDetail": (Field("name", Label("Szczegół", "Detail"), suggest="detail"),),
    "setField": (
        Field(
            "field",
            Label("Pole", "Field"),
            "select",
            _choices(FIELDS, "name", "company", "phone", "language", "timezone"),
        ),
        Field("value", Label("Wartość (puste: wyczyść)", "Value (empty: clear it)"), default=""),
    ),
    "setState": (Field("state", Label("Stan", "State"), "select", _choices(STATES)),),
    "setOwner": (Field("owner", Label("Właściciel (puste: nikt)", "Owner (empty: nobody)"), suggest="owner"),),
    "moveToStage": (
        Field("funnel", Label("Lejek", "Funnel"), "select", suggest="funnel"),
        Field("stage", Label("Etap", "Stage"), suggest="stage"),
    ),
    "removeFromFunnel": (Field("funnel", Label("Lejek", "Funnel"), "select", suggest="funnel"),),
    "addNote": (Field("text", Label("Treść notatki", "Text of the note"), "long"),),
    "optIn": (Field("channel", Label("Kanał", "Channel"), "select", _choices(CHANNELS)),),
    "optOut": (Field("channel", Label("Kanał", "Channel"), "select", _choices(CHANNELS)),),
    "emitEvent": (
        Field("kind", Label("Rodzaj", "Kind"), suggest="kind"),
        Field("data", Label("Dane (JSON)", "Data (JSON)"), "long", optional=True),
    ),
}

NULLABLE: Final = frozenset({("setField", "value"), ("setOwner", "owner")})
"""Fields of actions in which nothing means null, and not that they were forgotten."""

ACTION_GROUPS: Final[tuple[tuple[Label, tuple[str, ...]], ...]] = (
    (Label("Inne systemy", "Other systems"), ("webhook", "emitEvent")),
    (Label("Kontakt", "Contact"), (
        "addTag", "removeTag", "addScore", "setScore", "setDetail", "removeDetail", "setField", "setState", "setOwner",
        "moveToStage", "removeFromFunnel", "addNote",
    )),
    (Label("Komunikacja", "Communication"), ("sendEmail", "notifyUser", "optIn", "optOut")),
)  # fmt: skip

ICONS: Final[dict[str, str]] = {
    "webhook": "webhook", "emitEvent": "activity", "addTag": "tags", "removeTag": "tags", "addScore": "target-arrow",
    "setScore": "target-arrow", "setDetail": "id", "removeDetail": "id", "setField": "id", "setState": "user",
    "setOwner": "users", "moveToStage": "layout-kanban", "removeFromFunnel": "layout-kanban", "addNote": "note",
    "optIn": "mail", "optOut": "mail", "sendEmail": "mail", "notifyUser": "users",
}  # fmt: skip

EVENT_ICONS: Final[dict[str, str]] = {
    "contact.created": "user-plus", "contact.readded": "user-plus", "contact.changed": "pencil",
    "contact.tagged": "tags", "contact.untagged": "tags", "contact.detail_added": "id", "contact.detail_changed": "id",
    "contact.detail_removed": "id", "contact.score_changed": "target-arrow", "contact.stage_entered": "layout-kanban",
    "contact.stage_left": "layout-kanban", "contact.state_changed": "user", "contact.owner_changed": "users",
    "contact.note_added": "note", "contact.opted_in": "mail", "contact.opted_out": "mail",
    "consent.assigned": "shield-check", "email.sent": "mail", "email.opened": "mail-opened", "email.clicked": "click",
    "email.bounced": "mail", "contact.bounce_lifted": "mail", "page.visited": "world", "form.submitted": "check",
    "external_event.added": "shopping-cart", "external_event.changed": "shopping-cart",
    "date.upcoming": "calendar", "contact.inactive": "zzz",
    "contact.merged": "git-branch", "contact.erased": "trash", "webhook.failed": "webhook", "rule.requested": "bolt",
}  # fmt: skip
