"""What people read, in Polish and English: the labels of events, conditions, operators, actions and outcomes.

Called by the panel, by explanations and by the documentation, so that a thing has one name wherever it is seen. A test
sees to it that every kind has its label here.
"""

from typing import Final, NamedTuple


class Label(NamedTuple):
    """A label in both languages."""

    pl: str
    en: str


EVENTS: Final[dict[str, Label]] = {
    "contact.created": Label("Kontakt dodany do systemu", "Contact added to the system"),
    "contact.readded": Label("Kontakt ponownie dodany", "Contact added again"),
    "contact.changed": Label("Zmieniono dane kontaktu", "Contact's data changed"),
    "contact.detail_added": Label("Nowy szczegół kontaktu", "New detail of the contact"),
    "contact.detail_changed": Label("Zmodyfikowano szczegół", "Detail changed"),
    "contact.detail_removed": Label("Usunięto szczegół", "Detail removed"),
    "contact.tagged": Label("Przypisano tag do kontaktu", "Tag added to the contact"),
    "contact.untagged": Label("Usunięto tag", "Tag removed"),
    "contact.score_changed": Label("Zmieniono scoring kontaktu", "Contact's score changed"),
    "contact.stage_entered": Label("Dodano do etapu lejka", "Entered a funnel stage"),
    "contact.stage_left": Label("Kontakt opuścił etap lejka", "Left a funnel stage"),
    "contact.owner_changed": Label("Nowy właściciel", "New owner"),
    "contact.state_changed": Label("Zmieniono stan", "State changed"),
    "contact.note_added": Label("Dodano notatkę", "Note added"),
    "contact.opted_in": Label("Kontakt zapisał się na subskrypcję", "Contact subscribed"),
    "contact.opted_out": Label("Kontakt zrezygnował z subskrypcji", "Contact unsubscribed"),
    "consent.assigned": Label("Przypisano zgodę", "Consent assigned"),
    "contact.merged": Label("Połączono kontakty", "Contacts merged"),
    "contact.erased": Label("Usunięto kontakt", "Contact erased"),
    "email.sent": Label("Wysłano wiadomość", "Message sent"),
    "email.opened": Label("Kontakt otworzył e-mail", "Contact opened an e-mail"),
    "email.clicked": Label("Kontakt kliknął link", "Contact clicked a link"),
    "email.bounced": Label("Odbicie wiadomości", "Message bounced"),
    "contact.bounce_lifted": Label("Adres znów dostaje wiadomości", "Address gets mail again"),
    "page.visited": Label("Kontakt odwiedził adres URL", "Contact visited a URL"),
    "form.submitted": Label("Kontakt wysłał formularz", "Contact submitted a form"),
    "external_event.added": Label("Wystąpiło nowe zdarzenie zewnętrzne", "New external event"),
    "external_event.changed": Label("Zmodyfikowano zdarzenie zewnętrzne", "External event changed"),
    "date.upcoming": Label("Zbliża się data ze szczegółu", "A detail's date is coming up"),
    "contact.inactive": Label("Brak aktywności kontaktu", "Contact is inactive"),
    "webhook.failed": Label("Nie dostarczono webhooka", "Webhook not delivered"),
    "rule.requested": Label("Uruchomiono regułę ręcznie", "Rule run by hand"),
}
"""By type of event; a trigger is labelled as its event."""

CONDITIONS: Final[dict[str, Label]] = {
    "all": Label("Spełnione wszystkie z poniższych", "All of the following are met"),
    "any": Label("Spełniony dowolny z poniższych", "Any of the following is met"),
    "not": Label("NIE", "NOT"),
    "hasTag": Label("Ma tag", "Has the tag"),
    "tagScore": Label("Scoring tagu", "Tag score"),
    "score": Label("Scoring kontaktu", "Contact's score"),
    "stageScore": Label("Scoring etapu lejka", "Stage score"),
    "detail": Label("Szczegół", "Detail"),
    "field": Label("Dane kontaktu", "Contact's data"),
    "state": Label("Stan kontaktu", "Contact's state"),
    "owner": Label("Właściciel", "Owner"),
    "inStage": Label("Jest w etapie lejka", "Is in a funnel stage"),
    "subscribed": Label("Subskrypcja", "Subscription"),
    "consent": Label("Zgoda", "Consent"),
    "hasEmail": Label("Ma adres e-mail", "Has an e-mail address"),
    "hasPhone": Label("Ma numer telefonu", "Has a phone number"),
    "eventData": Label("Dane zdarzenia", "Event data"),
    "eventSource": Label("Źródło zdarzenia", "Event source"),
}

OPERATORS: Final[dict[str, Label]] = {
    "exists": Label("ma wartość", "has a value"),
    "eq": Label("dokładnie", "exactly"),
    "neq": Label("nie jest", "is not"),
    "contains": Label("zawiera", "contains"),
    "startsWith": Label("zaczyna się od", "starts with"),
    "endsWith": Label("kończy się na", "ends with"),
    "matches": Label("pasuje do wzorca", "matches the pattern"),
    "gt": Label("więcej niż", "more than"),
    "gte": Label("co najmniej", "at least"),
    "lt": Label("mniej niż", "less than"),
    "lte": Label("co najwyżej", "at most"),
    "between": Label("między", "between"),
    "in": Label("jest jednym z", "is one of"),
    "withinLast": Label("w ciągu ostatnich", "in the last"),
    "before": Label("przed", "before"),
    "after": Label("po", "after"),
}

ACTIONS: Final[dict[str, Label]] = {
    "webhook": Label("Wyślij informacje na temat uruchomionej reguły", "Send information about the triggered rule"),
    "sendEmail": Label("Wyślij wiadomość", "Send a message"),
    "notifyUser": Label("Powiadom użytkownika", "Notify a user"),
    "addTag": Label("Dodaj tag", "Add tag"),
    "removeTag": Label("Usuń tag", "Remove tag"),
    "addScore": Label("Dodaj scoring do kontaktu", "Add score"),
    "setScore": Label("Ustaw scoring", "Set score"),
    "setDetail": Label("Ustaw szczegół", "Set detail"),
    "removeDetail": Label("Usuń szczegół", "Remove detail"),
    "setField": Label("Zmień dane kontaktu", "Change contact's data"),
    "setState": Label("Zmień stan kontaktu", "Change state"),
    "setOwner": Label("Zmień właściciela", "Change owner"),
    "moveToStage": Label("Przenieś do etapu lejka", "Move to stage"),
    "removeFromFunnel": Label("Usuń z lejka", "Remove from funnel"),
    "addNote": Label("Dodaj notatkę", "Add note"),
    "optIn": Label("Zapisz na subskrypcję", "Subscribe"),
    "optOut": Label("Wypisz z subskrypcji", "Unsubscribe"),
    "emitEvent": Label("Dodaj zdarzenie zewnętrzne", "Add external event"),
}

OUTCOMES: Final[dict[str, Label]] = {
    "fired": Label("Zadziałała", "Fired"),
    "firedOtherwise": Label("Zadziałała: w przeciwnym razie", "Fired: otherwise"),
    "conditionsFailed": Label("Niespełnione warunki", "Conditions not met"),
    "limitReached": Label("Wykorzystana liczba uruchomień", "Run limit reached"),
    "intervalNotElapsed": Label("Za wcześnie po poprzednim uruchomieniu", "Too soon after the previous run"),
    "outsideValidity": Label("Poza okresem ważności", "Outside its validity"),
    "tooOld": Label("Zbyt stare zdarzenie", "Event too old"),
    "loopStopped": Label("Zatrzymana pętla", "Loop stopped"),
    "configError": Label("Błąd w ustawieniach reguły", "Error in the rule's settings"),
    "contactErased": Label("Usunięto dane kontaktu", "Contact's data erased"),
}

SKIPS: Final[dict[str, Label]] = {
    "noAddress": Label("kontakt nie ma adresu e-mail", "the contact has no e-mail address"),
    "optedOut": Label("kontakt nie chce wiadomości", "the contact has opted out"),
    "addressBounced": Label(
        "wcześniejsza wiadomość na ten adres wróciła", "an earlier message to this address came back"
    ),
    "dayFull": Label(
        "kontakt dostał już tyle wiadomości, ile wolno w jednym dniu",
        "the contact has had as many messages as a day may have",
    ),
    "noUser": Label("nie ma takiego użytkownika", "there is no such user"),
}
"""Why an action was left out."""

STATES: Final[dict[str, Label]] = {
    "CUSTOMER": Label("Klient", "Customer"),
    "PROSPECT": Label("Potencjalny", "Prospect"),
    "PARTNER": Label("Partner", "Partner"),
    "OTHER": Label("Inny", "Other"),
    "UNKNOWN": Label("Nieznany", "Unknown"),
}

FIELDS: Final[dict[str, Label]] = {
    "name": Label("Imię i nazwisko", "Name"),
    "company": Label("Firma", "Company"),
    "email": Label("Adres e-mail", "E-mail address"),
    "emailDomain": Label("Domena e-mail", "E-mail domain"),
    "phone": Label("Telefon", "Phone"),
    "externalId": Label("ID zewnętrzne", "External ID"),
    "language": Label("Język", "Language"),
    "timezone": Label("Strefa czasowa", "Time zone"),
}

SOURCES: Final[dict[str, Label]] = {
    "api": Label("API", "API"),
    "panel": Label("Panel", "Panel"),
    "import": Label("Import", "Import"),
    "tracking": Label("Śledzenie strony", "Site tracking"),
    "rule": Label("Reguła automatyzacji", "Automation rule"),
    "compat": Label("API zgodne z SALESmanago", "SALESmanago-compatible API"),
}

CHANNELS: Final[dict[str, Label]] = {
    "email": Label("E-mail", "E-mail"),
    "phone": Label("Telefon", "Phone"),
}
