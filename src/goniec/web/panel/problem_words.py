"""The Polish of what can be wrong with something that a user wrote; `{}` stands for what differs, in order.

Sentences as long as these stand in one line each, as the floors below say them.
"""

from typing import Final

POLISH: Final[dict[str, str]] = {
    # anything
    "is required": "to pole jest wymagane",
    "cannot be empty": "to pole nie może być puste",
    "cannot be empty; leave it out": "to pole nie może być puste",
    "cannot be an empty list, which nothing fits": "lista nie może być pusta, bo nic by do niej nie pasowało",
    "at most {} items, and this has {}": "najwyżej tyle pozycji: {}, a jest {}",
    "at most {}, and this has {}": "najwyżej {}, a jest {}",
    "at most {} characters": "najwyżej tyle znaków: {}",
    "at most {} characters, and this has {}": "najwyżej tyle znaków: {}, a jest {}",
    "at most {} values, and this has {}": "najwyżej tyle wartości: {}, a jest {}",
    "at most {} bytes as JSON, and this has {}": "najwyżej tyle bajtów JSON: {}, a jest {}",
    "at most {} in one call, and this has {}": "najwyżej {} naraz, a jest {}",
    "is required; it is one of {}": "to pole jest wymagane; do wyboru: {}",
    "unknown{}; it is one of {}": "nieznana wartość{}; do wyboru: {}",
    "unknown key": "nieznane pole",
    "unknown key{}; known are {}": "nieznane pole{}; znane to: {}",
    "Expected object": "potrzebny jest obiekt JSON",
    "Expected list": "potrzebna jest lista",
    "Expected text": "potrzebny jest tekst",
    "Expected {}, got {}": "potrzebny rodzaj wartości: {}, a jest: {}",
    "Expected `int` >= {}": "potrzebna jest liczba całkowita nie mniejsza niż {}",
    "Expected `int` <= {}": "potrzebna jest liczba całkowita nie większa niż {}",
    "Expected whole number >= {}": "potrzebna jest liczba całkowita nie mniejsza niż {}",
    "Expected whole number <= {}": "potrzebna jest liczba całkowita nie większa niż {}",
    "nested too deep": "zbyt wiele poziomów zagnieżdżenia",
    "nested deeper than {} levels": "więcej poziomów zagnieżdżenia niż {}",
    "groups nested deeper than {} levels": "grupy zagnieżdżone głębiej niż {} poziomów",
    "a key cannot hold {}": "nazwa pola nie może zawierać: {}",
    "a text cannot hold {}": "tekst nie może zawierać: {}",
    "a number must be finite": "liczba musi być skończona",
    "a number must be finite, with at most 400 digits": "liczba musi być skończona i mieć najwyżej 400 cyfr",
    "a whole number must fit into 64 bits": "liczba całkowita musi zmieścić się w 64 bitach",
    "half of a surrogate pair (U+{}) is not text": "połowa pary zastępczej (U+{}) nie jest tekstem",
    "the control character U+{} cannot stand here": "nie może tu stać znak sterujący U+{}",
    "cannot hold a control character, such as a line end": "nie może zawierać znaku sterującego, np. końca wiersza",
    # ranges of deliveries
    "has to come after since": "koniec musi być późniejszy niż początek",
    "lies ahead: nothing was made after it yet": "ta chwila dopiero nadejdzie: nic po niej jeszcze nie powstało",
    "is empty: name at least one of {}": "nic nie wybrano; do wyboru: {}",
    "its endpoint was deleted: there is nowhere left to send it": (
        "endpoint tej wysyłki został usunięty: nie ma jej dokąd wysłać"
    ),
    "{}: {} can be sent again": "{}; ponownie można wysłać: {}",
    "what is pending is on its way already": "oczekujące są już w drodze",
    "what is held is not to be sent": "wstrzymane nie są do wysłania",
    "goes from {} to {} deliveries a second": "od {} do {} wysyłek na sekundę",
    "this would cancel everything that waits: {}": "to anulowałoby wszystko, co czeka: {}",
    "name at least one of endpointId, ruleId, contactId, since and until": (
        "podaj endpoint, regułę, kontakt albo okres (endpointId, ruleId, contactId, since, until)"
    ),
    "a job of another release of Goniec is at it: wait for its end": (
        "zajmuje się tym zadanie innej wersji Gońca: poczekaj, aż się skończy"
    ),
    "another range is being sent again to this endpoint ({}): wait for its end, or stop it": (
        "do tego endpointu trwa już ponowna wysyłka innego zakresu ({}): poczekaj, aż się skończy, albo ją zatrzymaj"
    ),
    # times
    "not a time as in RFC 3339, such as 2026-11-25T03:36:00Z or 2026-11-25T04:36:00.5+01:00": (
        "to nie jest czas, np. 2026-11-25T03:36:00Z"
    ),
    "a time needs an offset: end it with Z for UTC, or with one such as +01:00": (
        "czas wymaga przesunięcia: Z dla UTC albo np. +01:00"
    ),
    "a time must lie in the years 1970 to 9999": "czas musi leżeć w latach od 1970 do 9999",
    "a leap second can only stand at 23:59:60 UTC on the last day of a month": (
        "sekunda przestępna może wystąpić tylko o 23:59:60 UTC ostatniego dnia miesiąca"
    ),
    "not a date as in RFC 3339, such as 2026-11-25": "to nie jest data, np. 2026-11-25",
    "the calendar has no such day": "w kalendarzu nie ma takiego dnia",
    "a duration cannot be negative": "okres nie może być ujemny",
    "a duration cannot be longer than ten years (P3653D)": "okres nie może być dłuższy niż dziesięć lat (P3653D)",
    "years and months vary in length: use weeks or days, such as P4W or P30D": (
        "lata i miesiące mają różną długość: użyj tygodni lub dni, np. P4W albo P30D"
    ),
    "not an ISO 8601 duration in whole W, D, H, M and S, such as P1W, P1DT12H or PT90S": (
        "to nie jest okres: wpisz liczbę i wybierz jednostkę albo użyj ISO 8601, np. P1DT12H"
    ),
    "a duration is needed, such as P7D or PT12H": "potrzebny jest okres: wpisz liczbę i wybierz jednostkę",
    "a duration of nothing never holds": "okres zerowy nigdy nie jest spełniony",
    "must be later than validFrom": "musi być później niż początek ważności",
    "there is no such time zone; an example is Europe/Warsaw": "nie ma takiej strefy czasowej; przykład: Europe/Warsaw",
    "no name of a time zone; write one such as Europe/Warsaw": (
        "to nie jest nazwa strefy czasowej; przykład: Europe/Warsaw"
    ),
    # names
    "in a JSON pointer ~ is written ~0 and / is written ~1": "we wskaźniku JSON ~ zapisuje się jako ~0, a / jako ~1",
    "a key between two dots is missing; a key that has dots itself needs a JSON pointer, as in /a.b": (
        "między kropkami brakuje nazwy; nazwę z kropkami zapisz jako wskaźnik JSON, np. /a.b"
    ),
    "a tag cannot be empty": "tag nie może być pusty",
    "a tag has at most {} characters": "tag ma najwyżej tyle znaków: {}",
    "a tag has at most {} characters, and this has {}": "tag ma najwyżej tyle znaków: {}, a ten ma {}",
    "a tag needs a letter or a digit": "tag musi zawierać literę lub cyfrę",
    "an e-mail address has at most {} characters, and this has {}": (
        "adres e-mail ma najwyżej tyle znaków: {}, a ten ma {}"
    ),
    "an e-mail address cannot hold a space, control or invisible character, and this has U+{}": (
        "adres e-mail nie może zawierać spacji ani niewidocznych znaków, a ten ma U+{}"
    ),
    "an e-mail address has exactly one @, with something on both sides": (
        "adres e-mail ma dokładnie jeden znak @, a po obu jego stronach coś stoi"
    ),
    # rules
    "at least one trigger is needed": "potrzebne jest co najmniej jedno zdarzenie",
    "the events of this rule have no {} in their data; what they have: {}": (
        "zdarzenia tej reguły nie mają w danych pola {}; mają: {}"
    ),
    "there is no funnel {}": "nie ma lejka: {}",
    "the funnel {} has no stage {}": "lejek {} nie ma etapu {}",
    "a URL is needed, or the id of an endpoint (endpointId)": "podaj adres endpointu",
    "cannot hold a colon: it would end the user name (RFC 7617)": (
        "nazwa użytkownika nie może zawierać dwukropka (RFC 7617)"
    ),
    "the user name cannot hold a colon: Basic authentication ends it there": (
        "nazwa użytkownika nie może zawierać dwukropka"
    ),
    "the {} cannot hold a control character, such as the end of a line": (
        "nie może zawierać znaku sterującego, np. końca wiersza ({})"
    ),
    "a score lies between {} and {}": "scoring mieści się między {} a {}",
    "a score goes from {} to {}": "scoring mieści się między {} a {}",
    "cannot be empty; removeDetail takes a detail away": "wartość nie może być pusta; szczegół usuwa akcja Usuń szczegół",
    "can be {}": "do wyboru: {}",
    "cannot be empty; null clears a field": "wartość nie może być pusta",
    "the kind stands beside the data, not in it": "rodzaj podaje się obok danych, nie w nich",
    "{} makes no sense for {}; use one of {}": "operator {} nie pasuje do tej wartości ({}); do wyboru: {}",
    "exists takes no value; for the opposite put it into a not group": (
        "ten operator nie ma wartości; przeciwieństwo to warunek z NIE"
    ),
    "a list with at least one value is needed": "potrzebna jest co najmniej jedna wartość",
    'a number is needed, such as 9 (not "9")': "potrzebna jest liczba, np. 9",
    "two numbers are needed, as in [1, 9]": "potrzebne są dwie liczby: od i do",
    "the first number must not be above the second": "pierwsza liczba nie może być większa od drugiej",
    "a date such as 2026-11-25 or a time with an offset such as 2026-11-25T03:36:00Z is needed": (
        "potrzebna jest data, np. 2026-11-25, albo czas z przesunięciem, np. 2026-11-25T03:36:00Z"
    ),
    "a value is needed; whether there is one at all is asked with exists": (
        "potrzebna jest wartość; o to, czy w ogóle jest, pyta operator „ma wartość”"
    ),
    "one value is needed, not a list": "potrzebna jest jedna wartość, nie lista",
    "no field holds an empty text: an empty one is stored as none; ask with exists": (
        "pole nigdy nie zawiera pustego tekstu; o to, czy ma wartość, pyta operator „ma wartość”"
    ),
    "a text is needed": "potrzebny jest tekst",
    "a text is needed, and not an empty one": "potrzebny jest niepusty tekst",
    "not an RE2 pattern: {}": "to nie jest wzorzec RE2: {}",
    "at most {} conditions and groups": "najwyżej tyle warunków i grup: {}",
    "at most {} conditions and filters with matches, and this rule has {}": (
        "najwyżej tyle warunków i filtrów z wzorcem: {}, a ta reguła ma ich {}"
    ),
    "not takes exactly one part: put several into an all or any group inside it": (
        "NIE obejmuje dokładnie jeden warunek: kilka połącz w grupę"
    ),
    "an empty group: take it out, or put a condition in": "pusta grupa: usuń ją albo dodaj do niej warunek",
    "in needs a list of states": "wybierz co najmniej jeden stan",
    "{} needs one state, not a list": "ten operator ({}) wymaga jednego stanu",
    "sources, keys or both are needed": "wybierz źródło, klucz albo jedno i drugie",
    "is required where stages are given": "wybierz lejek, do którego należą te etapy",
    "is required where a stage is given": "wybierz lejek, do którego należy ten etap",
    "is required for {}": "to pole jest wymagane, gdy wybrano: {}",
    "goes only with the scope tag": "to pole dotyczy tylko scoringu tagu",
    "goes only with the scope stage": "to pole dotyczy tylko scoringu etapu",
    # why a rule may never run
    "the rule is off: no event sets it off until it is activated": (
        "reguła jest wyłączona: żadne zdarzenie jej nie uruchomi, dopóki jej nie włączysz"
    ),
    "the rule is not valid yet: nothing runs it before {}": "reguła jeszcze nie obowiązuje: nic jej nie uruchomi przed {}",
    "the rule is not valid any more: nothing has run it since {}": "reguła już nie obowiązuje: nic jej nie uruchamia od {}",
    "none of the rule's triggers can occur": "żadne ze zdarzeń tej reguły nie może wystąpić",
    "trigger {} ({}) cannot occur: {}": "zdarzenie {} ({}) nie może wystąpić: {}",
    "its sourceKey names no active API key and no rule": "podany klucz nie jest ani czynnym kluczem API, ani regułą",
    "this version of Goniec raises no events by the calendar": "ta wersja Gońca nie tworzy zdarzeń według kalendarza",
    "nothing is left to decide about; an endpoint with tellErasure is told that a contact was erased": (
        "nie ma już o czym decydować; o usunięciu kontaktu dowiaduje się endpoint z włączonym tellErasure"
    ),
    "nothing changes the score of a {} in this version of Goniec": "w tej wersji Gońca nic nie zmienia tego scoringu ({})",
    "there is no funnel yet": "nie ma jeszcze żadnego lejka",
    "there is no funnel “{}”": "nie ma lejka „{}”",
    "the funnel “{}” has none of these stages": "lejek „{}” nie ma żadnego z tych etapów",
    "the endpoint is paused ({}): real deliveries wait until it is resumed": (
        "endpoint jest wstrzymany ({}): prawdziwe wysyłki czekają na wznowienie"
    ),
    "the rule has no action of the type webhook; add one and save the rule": (
        "reguła nie ma akcji „Wyślij informacje na temat uruchomionej reguły”; dodaj ją i zapisz"
    ),
    "{} or more": "co najmniej {}",
    "Goniec ended before it had written down the answer; nobody knows whether the message arrived": (
        "Goniec zakończył pracę, zanim zapisał odpowiedź; nie wiadomo, czy wiadomość doszła"
    ),
    "this test send is still under way: wait for its answer, and then send it once more": (
        "ta wysyłka testowa jeszcze trwa: poczekaj na odpowiedź i dopiero wtedy wyślij ponownie"
    ),
    "no key at hand opens the secrets of the endpoint {}; give it its password and secret anew": (
        "żaden klucz nie otwiera haseł endpointu {}; podaj hasło i sekret jeszcze raz"
    ),
    "the rule is off, and nothing runs it; activate it, or let explain say what it would do": (
        "reguła jest wyłączona i nic jej nie uruchomi; włącz ją albo sprawdź, co by zrobiła"
    ),
    "leads to no webhook of this rule; its webhooks: {}": "to nie jest webhook tej reguły; jej webhooki: {}",
    # contacts and events
    "give at least one of id, externalId, email and phone": (
        "podaj co najmniej jedno z pól: adres e-mail, telefon, ID zewnętrzne"
    ),
    "no contact has this id": "nie ma kontaktu o tym ID",
    "no contact has these keys": "nie ma kontaktu o tych danych",
    "{} names contact {}, {} names contact {}; merge them, or leave one key out": (
        "{} należy do kontaktu {}, a {} do kontaktu {}; połącz je albo pomiń jedno z pól"
    ),
    "the phone is not a number that can be told from others; give an e-mail or externalId too": (
        "tego numeru nie da się odróżnić od innych; podaj też adres e-mail albo ID zewnętrzne"
    ),
    "{} contacts have this phone; name one by id, externalId or email": (
        "tyle kontaktów ma ten telefon: {}; wskaż jeden przez e-mail albo ID zewnętrzne"
    ),
    "the contact has changed since it was read; read it again": (
        "kontakt zmienił się od wczytania strony; wczytaj go jeszcze raz"
    ),
    "the contact would be larger than {} KiB": "kontakt zająłby więcej niż {} KiB",
    "a contact cannot be merged into itself": "kontaktu nie można połączyć z nim samym",
    "give either add or set": "podaj albo zmianę, albo nową wartość",
    "there is no such funnel; GET /funnels lists them": "nie ma takiego lejka",
    "this funnel has no such stage; GET /funnels lists them": "ten lejek nie ma takiego etapu",
    "more than 24 hours ahead of now": "ponad 24 godziny w przyszłości",
    "there is no such event type{}; POST /events takes {}": "nie ma takiego rodzaju zdarzenia{}; można wysłać: {}",
    "{} follows from a call of its own: use {}": "zdarzenie {} wynika z osobnego wywołania: {}",
    "{} cannot be reported: Goniec raises it by itself": "zdarzenia {} nie można zgłosić: tworzy je sam Goniec",
    # messages
    "a message needs html or text": "wiadomość musi mieć HTML albo zwykły tekst",
    "is one line": "temat to jeden wiersz",
    "is one line, without characters that cannot be seen": "to jeden wiersz, bez znaków, których nie widać",
    "is no template: it is sent as it is written, so it cannot hold {{ or {%": (
        "to nie szablon: wychodzi tak, jak jest wpisane, więc nie może zawierać {{ ani {%"
    ),
    "line {}: {}": "wiersz {}: {}",
    'the name before the address cannot hold any of < > @ , ; : \\ "': (
        'nazwa przed adresem nie może zawierać żadnego ze znaków < > @ , ; : \\ "'
    ),
    "an e-mail address is expected: shop@example.com or My Shop <shop@example.com>": (
        "wpisz adres e-mail: sklep@example.com albo Mój Sklep <sklep@example.com>"
    ),
    "an e-mail address is expected, such as jan@example.com": "wpisz adres e-mail, np. jan@example.com",
    "there is a message named {} already ({})": "wiadomość o nazwie {} już istnieje ({})",
    "the message is used by the rules {}; change those first": "wiadomości używają reguły {}; najpierw je zmień",
    "its {}, line {}: {}": "{}, wiersz {}: {}",
    "the text has {} characters; at most {} are taken": "tekst ma {} znaków, a może mieć najwyżej {}",
    "more than {} tags cannot stand in one text": "w jednym tekście może być najwyżej {} znaczników",
    "{% {} %} is never closed; end it with {% end{} %}": "{{% {} %}} nie jest zamknięte; zakończ je przez {{% end{} %}}",
    "there is nothing between {{ and }}": "między {{ a }} nic nie ma",
    "{% needs the name of a tag, such as {% if contact.name %}": (
        "po {% musi stać nazwa znacznika, np. {% if contact.name %}"
    ),
    "{% raw %} is never closed; end it with {% endraw %}": "{% raw %} nie jest zamknięte; zakończ je przez {% endraw %}",
    "{} is never closed; end it with {}": "{} nie jest zamknięte; zakończ przez {}",
    "more than {} blanks in a row cannot stand inside of braces": "w nawiasach może być najwyżej {} odstępów z rzędu",
    "more than {} comparisons and brackets cannot stand in one tag": (
        "w jednym znaczniku może być najwyżej {} porównań i nawiasów"
    ),
    "more than {} tags stand inside of one another": "znaczniki są zagnieżdżone głębiej niż {} razy",
    "{% {} %} stands in no loop": "{{% {} %}} nie stoi w żadnej pętli",
    "there is no tag {% {} %}": "nie ma znacznika {{% {} %}}",
    "{% {} %} closes or divides nothing": "{{% {} %}} niczego nie zamyka ani nie dzieli",
    "{% {} %} stands in {% {} %} of line {}, still open": "{{% {} %}} stoi w {{% {} %}} z wiersza {}, wciąż otwartym",
    "the text takes too much work; it loops too often, or over too much": (
        "tekst wymaga zbyt wiele pracy: ma za dużo pętli albo powtarza je zbyt wiele razy"
    ),
    "its loops take more than {} turns": "pętle powtarzają się ponad {} razy",
    "the text names more than {} values": "tekst nadaje nazwy ponad {} wartościom",
    "a range goes from -{} to {}": "zakres mieści się między -{} a {}",
    "the text cannot be rendered: {}": "z tego tekstu nie da się zrobić wiadomości: {}",
    "the filter {}: {}": "filtr {}: {}",
    "a number is too large": "liczba jest zbyt duża",
    "there is no filter {}": "nie ma filtra {}",
    "the filter {} takes {} value{}, and is given {}": "filtr {} przyjmuje tyle wartości: {}{}, a dostał {}",
    "the filter {} knows no {}": "filtr {} nie zna {}",
    "it is nested too deeply": "zbyt wiele poziomów zagnieżdżenia",
    "the text becomes longer than {} bytes": "gotowy tekst jest dłuższy niż {} bajtów",
    "what is added must be a list": "dodać można tylko listę",
    "a number has 0 to {} digits behind the point": "po przecinku liczba ma od 0 do {} cyfr",
    "there is no time zone {}; one is called as Europe/Warsaw is": "nie ma strefy czasowej {}; przykład: Europe/Warsaw",
    "the tag needs something behind its name": "po nazwie znacznika czegoś brakuje",
    "something is missing at the end": "na końcu czegoś brakuje",
    "a name is missing at the end, behind the dot": "na końcu, po kropce, brakuje nazwy",
    "the name of a filter is missing behind |": "po | brakuje nazwy filtra",
    "there is a word too many; a filter stands behind |": "jest o jedno słowo za dużo; filtr stoi po |",
    "there is a = too many; == compares": "jest o jedno = za dużo; porównuje ==",
    'a " has no other that ends it': "brakuje drugiego cudzysłowu",
    "a ' has no other that ends it": "brakuje drugiego apostrofu",
    # mail
    "mail is not set up, so a rule with this action cannot be switched on: an operator sets GONIEC_SMTP_URL and GONIEC_MAIL_FROM": (
        "poczta nie jest ustawiona, więc reguły z tą akcją nie da się włączyć: administrator serwera ustawia GONIEC_SMTP_URL i GONIEC_MAIL_FROM"
    ),
    "there is no message {}": "nie ma wiadomości {}",
    "there is no user {}: the id or e-mail of one, or {} for the contact's owner": (
        "nie ma użytkownika {}: wybierz jednego z listy albo właściciela kontaktu ({})"
    ),
    "is a time of day such as 21:00": "wpisz godzinę, np. 21:00",
    "is another time than from: else no mail would ever go": (
        "koniec to inna godzina niż początek: inaczej żadna wiadomość by nie wyszła"
    ),
    "this endpoint is the mail server: it is set by GONIEC_SMTP_URL, and has only a delivery policy": (
        "ten endpoint to serwer poczty: wskazuje go GONIEC_SMTP_URL, a tu ma tylko zasady wysyłania"
    ),
    "this endpoint is the mail server, to which rules hand in mail; it stays": (
        "ten endpoint to serwer poczty, przez który reguły wysyłają wiadomości; nie można go usunąć"
    ),
    # endpoints
    "schedule has at most {} steps, and this has {}": "harmonogram ma najwyżej tyle kroków: {}, a ten ma {}",
    "schedule has steps of 1 to {} seconds": "kroki harmonogramu mają od 1 do {} sekund",
    "timeout goes from 1 to {} seconds": "limit czasu wynosi od 1 do {} sekund",
    "connectTimeout goes from 1 to {} seconds": "limit czasu połączenia wynosi od 1 do {} sekund",
    "rate goes from {} to {} requests a second; null is no limit": (
        "żądań na sekundę może być od {} do {}; puste pole oznacza brak limitu"
    ),
    "owner is one e-mail address such as jan@example.com; null is nobody": (
        "wpisz jeden adres e-mail, taki jak jan@example.com, albo zostaw puste pole"
    ),
    "concurrency goes from 1 to {}": "liczba wysyłek naraz wynosi od 1 do {}",
    "split goes with a concurrency of {} or more: each of the {} parts needs one": (
        "wysyłanie z kilku procesów wymaga co najmniej {} żądań naraz: po jednym na każdą z {} części"
    ),
    "orderHold goes from 0 (for ever) to {} seconds": "czas trzymania kolejności wynosi od 0 (bez końca) do {} sekund",
    "goes from 0 to {}": "dozwolone są wartości od 0 do {}",
    "a secret is {} and the base64 of {} to {} bytes, with nothing around it": (
        "sekret to {} i base64 od {} do {} bajtów, bez niczego dookoła"
    ),
    "deliveries wait for this endpoint ({}): let them go out, or cancel them first": (
        "na ten endpoint czekają wysyłki ({}): poczekaj, aż wyjdą, albo je anuluj"
    ),
    "the endpoint {} has this URL and user already; let the rules name that one": (
        "endpoint {} ma już ten adres i użytkownika; wskaż go w regułach"
    ),
    "the endpoint is used by the rules {}; change those first": "endpointu używają reguły {}; najpierw je zmień",
    "is required: no value is stored for this header": "podaj wartość: dla tego nagłówka żadna nie jest zapisana",
    "at most {} headers, and this has {}": "najwyżej tyle nagłówków: {}, a jest {}",
    "{} is for Goniec itself to set or to leave out": "o nagłówku {} decyduje sam Goniec",
    "{} is set by Goniec itself: it says how the request is sent.": "nagłówek {} ustawia sam Goniec",
    "a header of this name stands before it": "nagłówek o tej nazwie już jest wyżej",
    "there is no such endpoint; give a url instead": "tego endpointu już nie ma; podaj adres",
    "goes with a url: an endpoint's id says its user already": "autoryzację podaje się razem z adresem",
    "goes with a url: an endpoint's id says it already": "autoryzację podaje się razem z adresem",
    "an action before this one has another client for the same URL": (
        "wcześniejsza akcja ma innego klienta OAuth2 dla tego samego adresu"
    ),
    "an action before this one has another password for the same URL and user": (
        "wcześniejsza akcja ma inne hasło dla tego samego adresu i użytkownika"
    ),
    "A header's name consists of letters, digits and !#$%&'*+-.^_`|~ only.": (
        "nazwa nagłówka składa się tylko z liter, cyfr i znaków !#$%&'*+-.^_`|~"
    ),
    "A header's value may hold no line break and no other control character.": (
        "wartość nagłówka nie może zawierać końca wiersza ani innego znaku sterującego"
    ),
    "A header's value can hold Latin-1 characters only.": "wartość nagłówka może zawierać tylko znaki Latin-1",
    "A header's value may be at most {} bytes long.": "wartość nagłówka ma najwyżej tyle bajtów: {}",
    # certificates
    "has run out on {}; get a new one": "certyfikat stracił ważność {}; potrzebny jest nowy",
    "is required: a certificate without its key proves nothing": (
        "podaj klucz: sam certyfikat, bez swojego klucza, niczego nie potwierdza"
    ),
    "does not fit the first certificate; give the key that this certificate was made for": (
        "klucz nie pasuje do pierwszego certyfikatu; podaj ten, do którego go wystawiono"
    ),
    "has {} characters; at most {} are taken": "tekst ma {} znaków, a może mieć najwyżej {}",
    "holds a private key, which is not stored here; leave only the certificates": (
        "jest tu klucz prywatny, którego w tym miejscu nie zapisujemy; zostaw same certyfikaty"
    ),
    "is no certificate in PEM form: it goes from BEGIN CERTIFICATE to END CERTIFICATE": (
        "to nie jest certyfikat w formacie PEM: zaczyna się od BEGIN CERTIFICATE, a kończy na END CERTIFICATE"
    ),
    "has {} certificates; at most {} are taken": "certyfikatów jest tu {}, a może być najwyżej {}",
    "certificate {} cannot be read; copy it anew, whole": (
        "nie da się odczytać certyfikatu nr {}; skopiuj go jeszcze raz w całości"
    ),
    "is encrypted: give it without a passphrase": "klucz jest zaszyfrowany: podaj go bez hasła",
    "is no private key in PEM form: it goes from BEGIN PRIVATE KEY to END PRIVATE KEY": (
        "to nie jest klucz prywatny w formacie PEM: zaczyna się od BEGIN PRIVATE KEY, a kończy na END PRIVATE KEY"
    ),
    "cannot be read; copy it anew, whole": "nie da się go odczytać; skopiuj go jeszcze raz w całości",
    # OAuth2
    "has to start with https:// or http://": "adres musi się zaczynać od https:// lub http://",
    "does not go together with {}: give null for that in the same request": (
        "nie da się połączyć z {}: w tym samym żądaniu podaj tam null"
    ),
    "does not go together with basicAuth: leave one of them out": "nie da się połączyć z basicAuth: podaj jedno z nich",
    "holds names with a single space between them, and neither quotes nor anything beyond ASCII": (
        "wpisz nazwy oddzielone pojedynczą spacją, bez cudzysłowów i polskich liter"
    ),
    "is required: none is stored for this server": "podaj sekret: dla tego serwera żaden nie jest zapisany",
    # where webhooks may go
    "Start the URL with https:// or http://, or enter inbox: to have it arrive in Goniec itself.": (
        "zacznij adres od https:// lub http://, albo wpisz inbox:, a wiadomość trafi do samego Gońca"
    ),
    "Take the user name and password out of the URL: they go into basicAuth (in the panel: their fields).": (
        "usuń nazwę użytkownika i hasło z adresu i wpisz je w polach autoryzacji basic"
    ),
    "The port has to be a number from 1 to 65535.": "port jest liczbą od 1 do 65535",
    "Enter the URL that receives the webhook, such as https://crm.example/hook.": (
        "wpisz adres, który odbiera webhook, np. https://crm.example/hook"
    ),
    "The URL has {} characters; at most {} can be sent.": "adres ma {} znaków, a wysłać można najwyżej {}",
    "The URL holds a line break or another invisible character; remove it.": (
        "adres zawiera koniec wiersza lub inny niewidoczny znak; usuń go"
    ),
    "The URL holds white space; write %20 where a space is meant.": (
        "adres zawiera spację; jeśli ma tam być, zapisz ją jako %20"
    ),
    "The URL holds a backslash; write / or, where it is meant, %5C.": (
        "adres zawiera ukośnik wsteczny; wpisz / albo, jeśli ma tam być, %5C"
    ),
    "After inbox: comes nothing, or a name of at most {} letters a to z, digits, - and _.": (
        "po inbox: nie ma nic albo stoi nazwa, najwyżej {} znaków: litery od a do z, cyfry, - i _"
    ),
    "The URL has no host name or address that can be understood after //.": (
        "po // w adresie nie ma zrozumiałej nazwy serwera ani adresu"
    ),
    "{} port {} is Goniec itself, and what it sends there would come round for ever.": (
        "{} port {} to sam Goniec, a to, co tam wyśle, krążyłoby bez końca"
    ),
    # users, keys, funnels
    "there is a user with the e-mail {} already": "użytkownik z adresem {} już istnieje",
    "there is a user already; an administrator adds the others": "użytkownik już istnieje; kolejnych dodaje administrator",
    "this is the last administrator; make another one first": (
        "to ostatni administrator; najpierw nadaj tę rolę komuś jeszcze"
    ),
    "there is no such role; there are {}": "nie ma takiej roli; do wyboru: {}",
    "there is no such language; there are {}": "nie ma takiego języka; do wyboru: {}",
    "a password has at least {} characters": "hasło ma co najmniej tyle znaków: {}",
    "a password has at most {} characters": "hasło ma najwyżej tyle znaków: {}",
    "a password cannot hold control characters, such as a line end or a tab": (
        "hasło nie może zawierać znaków sterujących, np. końca wiersza lub tabulatora"
    ),
    "the password cannot be the e-mail address": "hasłem nie może być adres e-mail",
    "names that would go are used by the rules {}; change those first": (
        "nazw, które by zniknęły, używają reguły {}; najpierw je zmień"
    ),
    "the funnel is used by the rules {}; change those first": "lejka używają reguły {}; najpierw je zmień",
    "a funnel has at least one stage": "lejek ma co najmniej jeden etap",
    "at most {} stages, and this has {}": "najwyżej tyle etapów: {}, a jest {}",
    "a stage of this name stands before it; letter case does not count": (
        "etap o tej nazwie już jest wyżej; wielkość liter się nie liczy"
    ),
    "there is a funnel named {} already ({})": "lejek o nazwie {} już istnieje ({})",
    "there is a key named {} already; revoke it, or choose another name": (
        "klucz o nazwie {} już istnieje; unieważnij go albo wybierz inną nazwę"
    ),
    # deliveries
    "its contact was erased, and its body with it: there is nothing left to send": (
        "dane kontaktu usunięto, a z nimi treść: nie ma czego wysłać"
    ),
    "only what is pending can be cancelled, and this delivery is {}": (
        "anulować można tylko oczekującą wysyłkę, a ta ma status {}"
    ),
    # what a forbidden address is
    "{} is {}, and webhooks go to public addresses only; where it is meant, allow it by adding {} to {}.": (
        "{} to {}. Webhooki idą tylko na adresy publiczne; jeśli to celowe, administrator dopisze {} do {}"
    ),
    "{} leads to {}: it is {}, and webhooks go to public addresses only; where it is meant, allow it by adding {} to {}.": (
        "{} prowadzi do {}, a to {}. Webhooki idą tylko na adresy publiczne; jeśli to celowe, administrator dopisze {} do {}"
    ),
    "an address of this host itself": "adres tego komputera",
    "a private address": "adres prywatny",
    "an address inside a provider's network": "adres w sieci operatora",
    "a loopback address": "adres zwrotny (loopback)",
    "the virtual server of a cloud": "wirtualny serwer chmury",
    "a link-local address, where clouds keep their metadata": "adres lokalny łącza, pod którym chmury trzymają metadane",
    "a link-local address": "adres lokalny łącza",
    "an address reserved for protocols": "adres zarezerwowany dla protokołów",
    "an address for documentation": "adres przeznaczony do dokumentacji",
    "an address of 6to4 relays": "adres przekaźników 6to4",
    "an address for network tests": "adres do testów sieci",
    "a multicast address": "adres rozgłoszeniowy grupowy",
    "the broadcast address": "adres rozgłoszeniowy",
    "a reserved address": "adres zarezerwowany",
    "an IPv4 address in a withdrawn IPv6 form": "adres IPv4 w wycofanej postaci IPv6",
    "an IPv4 address in translated form": "adres IPv4 w postaci tłumaczonej",
    "an IPv4 address behind a local NAT64": "adres IPv4 za lokalnym NAT64",
    "a Teredo address": "adres Teredo",
    "a 6to4 address": "adres 6to4",
    "a site-local address": "adres lokalny sieci",
    "an address with a zone": "adres ze strefą",
    "no public address": "adres, który nie jest publiczny",
    "the NAT64 form of {}, {}": "postać NAT64 adresu {}, {}",
    # requests that are no use
    "send the form as application/x-www-form-urlencoded": "formularz wysyła się jako application/x-www-form-urlencoded",
    "the form is percent-encoded UTF-8": "formularz ma być w UTF-8, w kodowaniu procentowym",
    "a form has at most {} fields": "najwyżej tyle pól w jednym formularzu: {}",
    "the query is percent-encoded UTF-8": "zapytanie ma być w UTF-8, w kodowaniu procentowym",
    "the query has at most {} bytes": "zapytanie może mieć najwyżej {} B",
    "the body may have {} ({} bytes)": "treść może mieć najwyżej {} ({} B)",
    "no cursor of this list; send a nextCursor as it came": "ten adres strony listy jest uszkodzony; otwórz listę od początku",
    "there is nothing at this path": "pod tym adresem nic nie ma",
    "there is no {} with this id, and no delivery of one": (
        "nie ma tu niczego o tym identyfikatorze ({}) ani żadnej wysyłki, która by się do niego odnosiła"
    ),
    "there is no {} with this id": "nie ma tu niczego o tym identyfikatorze ({})",
    "this path does not take that method; the header Allow names those it takes": (
        "ten adres nie przyjmuje takiej metody; przyjmowane wymienia nagłówek Allow"
    ),
    "too much waits to be recorded; nothing of this request was taken; try again later": (
        "zbyt wiele czeka na zapis; z tego żądania nic nie przyjęto, spróbuj ponownie za chwilę"
    ),
    "nothing of this request was written: {}; try again later": (
        "z tego żądania nic nie zapisano: {}; spróbuj ponownie za chwilę"
    ),
    "nobody knows whether this request was written: {}; try again later": (
        "nie wiadomo, czy to żądanie zapisano: {}; spróbuj ponownie za chwilę"
    ),
    "the database takes nothing that is to be written": "baza danych nie przyjmuje niczego do zapisu",
    "the store is closed": "baza danych jest zamknięta",
    "the database file is locked by another program ({})": "plik bazy danych blokuje inny program ({})",
    "the database file cannot be opened ({})": "pliku bazy danych nie da się otworzyć ({})",
    "the database file is damaged: restore a backup ({})": "plik bazy danych jest uszkodzony: odtwórz kopię zapasową ({})",
    "the disk is full ({})": "dysk jest pełny ({})",
    "the database file cannot be read or written ({})": "pliku bazy danych nie da się odczytać lub zapisać ({})",
    "the database file is read-only ({})": "plik bazy danych jest tylko do odczytu ({})",
    # words inside sentences
    " (did you mean {}?)": " (czy chodziło o {}?)",
    "text": "tekst",
    "whole number": "liczba całkowita",
    "number": "liczba",
    "true or false": "tak albo nie",
    "list": "lista",
    "object": "obiekt",
    "null": "nic",
    "a number": "liczba",
    "any value": "dowolna wartość",
    "none at all": "żadnych",
    "user name": "nazwa użytkownika",
    "password": "hasło",
    "the character NUL (U+0000)": "znak NUL (U+0000)",
    "half of a surrogate pair (U+{})": "połowa pary zastępczej (U+{})",
    "which no rule uses now": "którego nie używa teraz żadna reguła",
    "which the rules {} use": "którego używają reguły {}",
    "the endpoint {} has another password for this URL and user, {}; repeat the request with ?replace=true to replace it for all of them, or leave the password out to keep it": (
        "endpoint {} ma inne hasło dla tego adresu i użytkownika, {}; zmień je wszędzie albo zostaw pole puste"
    ),
    "the endpoint {} has another OAuth2 client for this URL, {}; repeat the request with ?replace=true to replace it for all of them, or leave oauth2 out to keep it": (
        "endpoint {} ma dla tego adresu innego klienta OAuth2, {}; zmień go wszędzie (?replace=true) albo pomiń oauth2"
    ),
}
