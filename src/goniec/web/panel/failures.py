"""Why an attempt failed, in words for somebody who did not build the receiver. Called by `Visit` and by views.

A failure has a name of two or three words, which lists and filters show, and a sentence that says what to do.
"""

from http import HTTPStatus
from typing import Final

from goniec.core.labels import Label
from goniec.core.model import MAIL_ITSELF, Attempt, Failure
from goniec.web.panel.words import Words

NAMES: Final[dict[Failure, Label]] = {
    Failure.SERVER: Label("Błąd serwera (5xx)", "Server error (5xx)"),
    Failure.REJECTED: Label("Odrzucone żądanie (4xx)", "Request refused (4xx)"),
    Failure.BUSY: Label("Zbyt wiele żądań (429)", "Too many requests (429)"),
    Failure.GONE: Label("Adresu już nie ma (410)", "Gone (410)"),
    Failure.REDIRECT: Label("Przekierowanie (3xx)", "Redirect (3xx)"),
    Failure.STATUS: Label("Nieznany status", "Unknown status"),
    Failure.TIMEOUT: Label("Przekroczony czas", "Timed out"),
    Failure.CONNECT: Label("Błąd połączenia", "Connection error"),
    Failure.CONNECT_TIMEOUT: Label("Przekroczony czas połączenia", "Connecting timed out"),
    Failure.RESET: Label("Zerwane połączenie", "Connection broken off"),
    Failure.EMPTY: Label("Brak odpowiedzi", "No answer"),
    Failure.CUT: Label("Urwana odpowiedź", "Answer broken off"),
    Failure.STALE: Label("Połączenie było już zamknięte", "Connection was closed already"),
    Failure.DNS: Label("Błąd DNS", "DNS error"),
    Failure.ADDRESS: Label("Niedozwolony adres", "Address not allowed"),
    Failure.TLS: Label("Błąd TLS", "TLS error"),
    Failure.TLS_EXPIRED: Label("Certyfikat stracił ważność", "Certificate expired"),
    Failure.TLS_HOST: Label("Certyfikat dla innej nazwy", "Certificate for another name"),
    Failure.TLS_SELF_SIGNED: Label("Certyfikat bez wystawcy", "Self-signed certificate"),
    Failure.TLS_ISSUER: Label("Nieznany wystawca certyfikatu", "Unknown certificate issuer"),
    Failure.TLS_INTERMEDIATE: Label("Brak certyfikatu pośredniego", "Intermediate certificate missing"),
    Failure.NOT_HTTP: Label("Odpowiedź nie w HTTP", "Not HTTP"),
    Failure.HEAD_TOO_LARGE: Label("Zbyt duże nagłówki odpowiedzi", "Answer's headers too large"),
    Failure.INFORMATIONAL: Label("Tylko odpowiedź 1xx", "Only a 1xx answer"),
    Failure.PROXY: Label("Błąd serwera proxy", "Proxy error"),
    Failure.GRANT_UNREACHABLE: Label("Serwer tokenów nieosiągalny", "Token server not reached"),
    Failure.GRANT_REFUSED: Label("Nie wydano tokenu dostępu", "No access token given"),
    Failure.GRANT_EXPIRED: Label("Token dostępu stracił ważność", "Access token expired"),
    Failure.RECIPIENT_REFUSED: Label("Adresat odrzucony", "Recipient refused"),
    Failure.RECIPIENT_DEFERRED: Label("Adresat chwilowo odrzucony", "Recipient put off"),
    Failure.RECIPIENT_INVALID: Label("Nieprawidłowy adres", "Address not valid"),
    Failure.MESSAGE_REFUSED: Label("Wiadomość odrzucona", "Message refused"),
    Failure.MESSAGE_DEFERRED: Label("Wiadomość chwilowo odrzucona", "Message put off"),
    Failure.OPTED_OUT: Label("Kontakt się wypisał", "Contact opted out"),
    Failure.BOUNCED: Label("Adres nie istnieje", "Address is dead"),
    Failure.MOVED: Label("Adres zmieniono", "Address changed"),
    Failure.QUIET: Label("Czeka na swoją porę", "Waits for its hour"),
    Failure.MAIL_BUSY: Label("Serwer poczty zajęty", "Mail server busy"),
    Failure.MAIL_REFUSED: Label("Serwer poczty odmawia", "Mail server refuses"),
    Failure.MAIL_LOGIN: Label("Serwer poczty nie przyjął hasła", "Mail login refused"),
    Failure.MAIL_OFF: Label("Poczta nie jest ustawiona", "Mail is not set up"),
    Failure.NOT_SMTP: Label("Odpowiedź nie w SMTP", "Not SMTP"),
    Failure.INTERNAL: Label("Błąd Gońca", "Goniec's own error"),
}
"""In the order in which a filter offers them: what receivers answer, then what keeps them from answering."""

FAILURES: Final[dict[Failure, Label]] = {
    Failure.DNS: Label(
        "Nie znaleziono serwera o tej nazwie. Sprawdź pisownię adresu i wpis DNS.",
        "No server of this name was found. Check the spelling of the address and its DNS entry.",
    ),
    Failure.ADDRESS: Label(
        "Adres leży w sieci, do której nie wolno wysyłać. Administrator może ją dopuścić: GONIEC_ALLOW_NETWORKS.",
        "The address is in a network that may not be reached. An administrator can allow it: GONIEC_ALLOW_NETWORKS.",
    ),
    Failure.CONNECT: Label(
        "Serwer nie przyjął połączenia. Sprawdź, czy działa i czy zapora je przepuszcza.",
        "The server took no connection. Check that it runs and that its firewall lets us in.",
    ),
    Failure.CONNECT_TIMEOUT: Label(
        "Serwer nie odpowiedział na próbę połączenia. Sprawdź adres i zaporę.",
        "The server did not answer the attempt to connect. Check the address and the firewall.",
    ),
    Failure.TIMEOUT: Label(
        "Odbiorca nie odpowiedział w wyznaczonym czasie. Powinien najpierw potwierdzić odbiór, a pracować potem.",
        "The receiver did not answer in time. It should confirm first and work afterwards.",
    ),
    Failure.RESET: Label("Odbiorca zerwał połączenie.", "The receiver broke off the connection."),
    Failure.EMPTY: Label(
        "Odbiorca zamknął połączenie bez odpowiedzi.", "The receiver closed the connection without an answer."
    ),
    Failure.STALE: Label(
        "Odbiorca zamknął połączenie, które było w użyciu. Ponowimy.",
        "The receiver closed a connection that was in use. It is tried again.",
    ),
    Failure.TLS: Label("Nie udało się połączenie szyfrowane.", "The encrypted connection failed."),
    Failure.TLS_EXPIRED: Label(
        "Certyfikat odbiorcy stracił ważność. Trzeba go odnowić.",
        "The receiver's certificate has expired. It has to be renewed.",
    ),
    Failure.TLS_HOST: Label(
        "Certyfikat odbiorcy wystawiono dla innej nazwy. Sprawdź adres.",
        "The receiver's certificate is for another name. Check the address.",
    ),
    Failure.TLS_SELF_SIGNED: Label(
        "Odbiorca podpisał swój certyfikat sam. Administrator może mu zaufać w ustawieniach endpointu.",
        "The receiver signed its certificate itself. An administrator can trust it in the endpoint's settings.",
    ),
    Failure.TLS_ISSUER: Label(
        "Nie znamy wystawcy certyfikatu odbiorcy. Jeśli to urząd prywatny, dodaj go w ustawieniach endpointu.",
        "The issuer of the receiver's certificate is unknown. If it is private, add it in the endpoint's settings.",
    ),
    Failure.TLS_INTERMEDIATE: Label(
        "Serwer odbiorcy nie wysyła certyfikatu pośredniego. Trzeba na nim ustawić pełny łańcuch (fullchain).",
        "The receiver's server leaves out an intermediate certificate. It has to send its full chain.",
    ),
    Failure.NOT_HTTP: Label(
        "Pod tym adresem odpowiada coś, co nie jest serwerem HTTP.", "What answers at this address speaks no HTTP."
    ),
    Failure.HEAD_TOO_LARGE: Label("Nagłówki odpowiedzi są zbyt duże.", "The answer's headers are too large."),
    Failure.CUT: Label("Odpowiedź urwała się, zanim doszła cała.", "The answer broke off before it was whole."),
    Failure.INFORMATIONAL: Label(
        "Odbiorca odpowiedział statusem 1xx, który nie kończy żądania.",
        "The receiver answered with a 1xx status, which ends no request.",
    ),
    Failure.REDIRECT: Label(
        "Odbiorca odsyła pod inny adres. Przekierowań nie śledzimy: wpisz adres docelowy.",
        "The receiver sends us elsewhere. Redirects are not followed: enter the final address.",
    ),
    Failure.REJECTED: Label(
        "Odbiorca odrzucił żądanie. Powód zwykle stoi w jego odpowiedzi.",
        "The receiver refused the request. Its answer mostly says why.",
    ),
    Failure.PROXY: Label(
        "Serwer proxy nie dopuścił nas do odbiorcy. Administrator może sprawdzić ustawienie GONIEC_EGRESS_PROXY.",
        "The proxy did not let us through to the receiver. An administrator can check GONIEC_EGRESS_PROXY.",
    ),
    Failure.GRANT_UNREACHABLE: Label(
        "Nie udało się zapytać o token dostępu. Sprawdź adres serwera tokenów i czy serwer działa.",
        "An access token could not be asked for. Check the address of the token server, and that it runs.",
    ),
    Failure.GRANT_REFUSED: Label(
        "Serwer tokenów nie wydał tokenu dostępu. Sprawdź identyfikator klienta, sekret i zakres.",
        "The token server gave no access token. Check the client's ID, its secret and the scope.",
    ),
    Failure.GRANT_EXPIRED: Label(
        "Odbiorca nie przyjął tokenu, który dotąd działał. Od razu próbujemy z nowym.",
        "The receiver no longer took a token that had worked. It is tried again at once with a new one.",
    ),
    Failure.GONE: Label(
        "Odbiorca mówi, że tego adresu już nie ma (410). Endpoint jest wstrzymany.",
        "The receiver says that this address is gone (410). The endpoint is paused.",
    ),
    Failure.BUSY: Label(
        "Odbiorca dostaje zbyt wiele naraz (429). Jeśli to się powtarza, ustaw endpointowi limit na sekundę.",
        "The receiver gets too much at once (429). If it goes on, limit how many a second the endpoint is sent.",
    ),
    Failure.SERVER: Label("Po stronie odbiorcy wystąpił błąd.", "Something failed at the receiver."),
    Failure.STATUS: Label(
        "Odbiorca odpowiedział nieznanym statusem.", "The receiver answered with a status that nobody knows."
    ),
    Failure.RECIPIENT_REFUSED: Label(
        "Serwer odpowiedział, że tego adresu nie ma. Na ten adres nic już nie wyślemy.",
        "The server says that there is no such address. Nothing more is sent to it.",
    ),
    Failure.RECIPIENT_DEFERRED: Label(
        "Serwer adresata prosi, żeby spróbować później.", "The recipient's server asks us to come again later."
    ),
    Failure.RECIPIENT_INVALID: Label(
        "Na taki adres ten serwer poczty nie umie wysłać.", "This mail server cannot send to such an address."
    ),
    Failure.MESSAGE_REFUSED: Label(
        "Serwer nie przyjął wiadomości. W jego odpowiedzi zwykle stoi powód: treść, rozmiar albo nadawca.",
        "The server did not take the message. Its answer mostly says why: the content, the size or the sender.",
    ),
    Failure.MESSAGE_DEFERRED: Label(
        "Serwer chwilowo nie przyjął wiadomości. Ponowimy.",
        "The server did not take the message now. It is tried again.",
    ),
    Failure.OPTED_OUT: Label(
        "Zanim przyszła pora wysyłki, kontakt zrezygnował z wiadomości. Nic nie wysłano.",
        "Before it was due, the contact opted out. Nothing was sent.",
    ),
    Failure.BOUNCED: Label(
        "Wcześniejsza wiadomość wróciła: tego adresu nie ma. Nic nie wysłano.",
        "An earlier message came back: there is no such address. Nothing was sent.",
    ),
    Failure.MOVED: Label(
        "Zanim przyszła pora wysyłki, adres kontaktu zmieniono lub usunięto. Na stary nic nie wysłano.",
        "Before it was due, the contact's address was changed or removed. Nothing was sent to the old one.",
    ),
    Failure.QUIET: Label(
        "U kontaktu trwają godziny ciszy albo wyczerpał się dzienny limit wiadomości do niego. Ta poczeka.",
        "It is quiet hours where the contact is, or it has had as many messages as a day may bring. This one waits.",
    ),
    Failure.MAIL_BUSY: Label(
        "Serwer poczty nie przyjmuje teraz więcej wiadomości. Ponowimy.",
        "The mail server takes no more messages now. It is tried again.",
    ),
    Failure.MAIL_REFUSED: Label(
        "Serwer poczty nie chce z nami rozmawiać. W jego odpowiedzi stoi powód.",
        "The mail server will not talk to us. Its answer says why.",
    ),
    Failure.MAIL_LOGIN: Label(
        "Serwer poczty nie przyjął nazwy użytkownika lub hasła. Administrator może sprawdzić GONIEC_SMTP_URL.",
        "The mail server did not take the user name or password. An administrator can check GONIEC_SMTP_URL.",
    ),
    Failure.MAIL_OFF: Label(
        "Nie ustawiono serwera poczty. Administrator może to zrobić: GONIEC_SMTP_URL i GONIEC_MAIL_FROM.",
        "No mail server is set. An administrator can set one: GONIEC_SMTP_URL and GONIEC_MAIL_FROM.",
    ),
    Failure.NOT_SMTP: Label(
        "Pod adresem z GONIEC_SMTP_URL odpowiada coś, co nie jest serwerem poczty.",
        "What answers at the address in GONIEC_SMTP_URL is no mail server.",
    ),
    Failure.INTERNAL: Label(
        "Błąd po naszej stronie. Więcej jest w dzienniku Gońca.", "A fault of ours. Goniec's log says more."
    ),
}

BY_STATUS: Final[dict[int, Label]] = {
    401: Label(
        "Odbiorca nie przyjął nazwy użytkownika lub hasła. Sprawdź je w regule.",
        "The receiver did not take the user name or password. Check them in the rule.",
    ),
    403: Label("Odbiorca odmawia dostępu.", "The receiver denies access."),
    404: Label("Pod tym adresem nie ma odbiorcy. Sprawdź ścieżkę.", "There is no receiver at this path. Check it."),
    405: Label("Odbiorca nie przyjmuje żądań POST.", "The receiver takes no POST requests."),
    413: Label("Odbiorca uważa treść za zbyt dużą.", "The receiver finds the body too large."),
    415: Label("Odbiorca nie przyjmuje JSON.", "The receiver takes no JSON."),
}
"""More than the kind of failure says."""


def failure_words(attempt: Attempt, words: Words) -> str:
    """Say why an attempt failed; nothing when it went well."""
    if attempt.failure is None:
        return ""
    found = BY_STATUS.get(attempt.status or 0) if attempt.failure is Failure.REJECTED else None
    return words.label(found or FAILURES.get(attempt.failure) or _elsewhere(attempt.failure))


def failure_name(failure: Failure, words: Words) -> str:
    """Give the short name of a failure; one that only another release knows is named by its code."""
    return words.label(NAMES.get(failure) or Label(failure.value, failure.value))


def answer_name(attempt: Attempt, words: Words) -> str:
    """Give what came of an attempt in a few words: the status as HTTP names it, or why there is none."""
    if attempt.status is not None and attempt.failure not in MAIL_ITSELF | {Failure.MAIL_BUSY, Failure.MAIL_REFUSED}:
        return status_name(attempt.status)
    return "" if attempt.failure is None else failure_name(attempt.failure, words)


def status_name(status: int) -> str:
    """Give a status with the phrase that HTTP has for it: 503 Service Unavailable."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _elsewhere(failure: Failure) -> Label:
    code = failure.value
    return Label(
        f"Ta wersja Gońca nie zna tego błędu (kod {code}): próbę wykonała inna wersja.",
        f"This version of Goniec does not know this error (code {code}): another version made the attempt.",
    )
