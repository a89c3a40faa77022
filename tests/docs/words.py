"""What the tables of the documents say beyond names: one sentence for each thing that the code only names.

Called by `tables`. A test holds the keys against the code, in both directions.
"""

from typing import Final

from goniec.core.model import Failure, Outcome

FAILURES: Final = {
    Failure.DNS: "the name did not resolve",
    Failure.ADDRESS: "a URL or address that webhooks may not reach; the attempt says which, and whether `GONIEC_ALLOW_NETWORKS` can allow it",
    Failure.CONNECT: "nobody accepted the connection",
    Failure.CONNECT_TIMEOUT: "the connection was not made in time",
    Failure.TIMEOUT: "no whole head of an answer in time",
    Failure.RESET: "the connection was reset before an answer",
    Failure.EMPTY: "the connection was closed without an answer",
    Failure.STALE: "a kept-alive connection was dead; tried again at once on a fresh one, uncounted",
    Failure.TLS: "the TLS handshake failed",
    Failure.TLS_EXPIRED: "the certificate has expired, or is not valid yet",
    Failure.TLS_HOST: "the certificate is for another name",
    Failure.TLS_SELF_SIGNED: "the certificate is self-signed",
    Failure.TLS_ISSUER: "unknown issuer: the server sends no intermediate certificate, or a private CA (`GONIEC_CA_FILE`)",
    Failure.NOT_HTTP: "what came is no HTTP",
    Failure.HEAD_TOO_LARGE: "over 64 KiB or 320 lines of head",
    Failure.CUT: "the head was cut off",
    Failure.INFORMATIONAL: "only 1xx answers",
    Failure.REDIRECT: "3xx: redirects are never followed; enter the address that it names",
    Failure.REJECTED: "4xx",
    Failure.GONE: "410: the endpoint is paused",
    Failure.BUSY: "429",
    Failure.SERVER: "5xx",
    Failure.STATUS: "a status that HTTP does not have",
    Failure.INTERNAL: "a fault in Goniec itself",
}

HEADERS: Final = {
    "Content-Type": "of the body, always the same",
    "User-Agent": "which Goniec",
    "Authorization": "Basic, UTF-8 (RFC 7617); where a user is given, and then in the first request already",
    "webhook-id": "the delivery's id: the same on every attempt and resend, so that a receiver can know what it has",
    "webhook-timestamp": "seconds, of this attempt",
    "webhook-signature": "Standard Webhooks v1; two, separated by a space, while a secret is being rotated",
    "goniec-event-type": "what set the rule off",
    "goniec-attempt": "1 is the first",
    "goniec-sequence": "the event's place among its contact's: what is not above the last one seen is older news",
    "goniec-cause": "the run that it comes from; sent back with an API call it joins that call to the chain, so that two systems do not answer each other for ever",
    "goniec-resend": "`true` where somebody asked for it once more",
    "goniec-test": "`true` where somebody tried the rule out",
}

OPERATORS: Final = {
    "exists": ("none", "there is a value"),
    "eq": ("one", "they are equal"),
    "neq": ("one", "they are not: also where there is no value"),
    "contains": ("text, or an item", "the text has this part; the list has this item"),
    "startsWith": ("text", "the text begins so"),
    "endsWith": ("text", "the text ends so"),
    "matches": ("RE2 pattern", "the pattern is found anywhere in the text; `^` and `$` tie it to the ends"),
    "gt": ("number", "above it"),
    "gte": ("number", "above it or equal"),
    "lt": ("number", "below it"),
    "lte": ("number", "below it or equal"),
    "between": ("[low, high]", "from low to high, both included"),
    "in": ("list", "equal to one of them"),
    "withinLast": ("duration", "not longer ago than that, and not ahead; for dates in as many days up to today"),
    "before": ("date or time", "earlier"),
    "after": ("date or time", "later"),
}

RULE: Final = {
    "name": "the webhook's `name`",
    "description": 'the webhook\'s `description`; `""` where there is none',
    "group": "a word to sort and filter by",
    "active": "whether events set it off",
    "position": "rules that one event sets off run in this order, then by id; last unless given",
    "triggers": "1 to 50, any of which sets it off: [triggers](triggers.md)",
    "conditions": "a tree: [conditions](conditions.md); left out, yes",
    "actions": "what is done where they hold: [actions](actions.md)",
    "otherwise": "what is done where they do not",
    "maxRuns": "how often it may fire for one contact; null: no limit",
    "minInterval": "the least time between two times that it fires for one contact",
    "validFrom": "nothing before this time sets it off",
    "validTo": "nor anything from this time on",
    "maxAge": "an event that occurred longer ago does not set it off",
    "timezone": "where its dates and days are counted; null: `GONIEC_TIMEZONE`",
}

OUTCOMES: Final = {
    Outcome.FIRED: "the conditions held, and `actions` were done",
    Outcome.FIRED_OTHERWISE: "they did not hold, and `otherwise` was done",
    Outcome.CONDITIONS_FAILED: "they did not hold, and there is no `otherwise`",
    Outcome.LIMIT_REACHED: "`maxRuns` is used up for this contact",
    Outcome.INTERVAL: "`minInterval` has not passed since it fired last",
    Outcome.OUTSIDE_VALIDITY: "before `validFrom`, or not before `validTo`",
    Outcome.TOO_OLD: "older than `maxAge`",
    Outcome.LOOP_STOPPED: "the event descends from a run of this rule, or the chain is too long",
    Outcome.CONFIG_ERROR: "an action leans on an endpoint or stage that is gone: nothing of the branch was done",
    Outcome.CONTACT_ERASED: "the contact was erased: what was seen is gone",
}

POLICY: Final = {
    "schedule": "the waits before the second and each further attempt: at most 50 of 1 s to 7 days; `[]` is one attempt",
    "timeout": "for an attempt, to the last byte: 1 to 30",
    "connectTimeout": "for the connection and TLS: 1 to 30",
    "concurrency": "requests under way at a time: 1 to 1000",
    "order": "a contact's deliveries one after the other",
    "orderHold": "after how long one that fails steps aside: up to 30 days; 0: never for that reason",
    "tellErasure": "tell this endpoint when a contact is erased that it had been told about",
}

CODES: Final = {
    "badRequest": (400, "a header that makes no sense, or no request in HTTP/1.1 at all"),
    "malformed": (400, "the body is no JSON"),
    "invalid": (
        422,
        "values that cannot be taken, each named in `errors`; 400 when they stand in the query or a header",
    ),
    "keyMissing": (401, "no `Authorization: Bearer KEY`"),
    "keyUnknown": (401, "the key is unknown or revoked"),
    "unauthorized": (401, "any other 401"),
    "scopeMissing": (403, "the key's scope does not open this call"),
    "forbidden": (403, "any other 403"),
    "notFound": (404, "nothing has this id, or stands at this path"),
    "methodNotAllowed": (405, "`Allow` names the methods of this path"),
    "requestTimeout": (408, "the request did not arrive in time; the connection is closed"),
    "conflict": (409, "two keys name two contacts; `contacts` has both ids"),
    "ambiguousPhone": (409, "several contacts have this phone, and no other key was given"),
    "credentialsDiffer": (409, "another password for a known URL and user; `rules` use it"),
    "emailTaken": (409, "another user has this e-mail"),
    "endpointExists": (409, "another endpoint has this URL and user"),
    "inUse": (409, "`rules` name it"),
    "lastAdmin": (409, "it is the last administrator who can sign in"),
    "nameTaken": (409, "another one has this name"),
    "pendingDeliveries": (409, "deliveries wait for this endpoint"),
    "notPending": (409, "a delivery that has failed cannot be cancelled"),
    "answerErased": (409, "the request was done; its contact was erased since, and the stored answer with it"),
    "bodyErased": (409, "its contact was erased: nothing is left to send"),
    "notFirst": (409, "the panel's first run is over: there is a user"),
    "keyRevoked": (409, "the key that this request made has been revoked since"),
    "noWebhook": (409, "the rule has no webhook to test"),
    "ruleInactive": (409, "the rule is off"),
    "secretsUnreadable": (409, "no key at hand opens the endpoint's secrets"),
    "preconditionFailed": (412, "it has changed since `If-Match` was read"),
    "bodyTooLarge": (413, "over the call's limit"),
    "unsupportedMediaType": (415, "not `application/json` in UTF-8"),
    "noKey": (422, "no key of the contact, or only a phone that is no number"),
    "unknownContact": (422, "no contact has this id"),
    "contactTooLarge": (422, "the contact would grow above 256 KiB"),
    "idempotencyKeyReused": (422, "this `Idempotency-Key` was used for another request"),
    "nothingTaken": (422, "all events of a list were refused"),
    "headTooLarge": (431, "too much head, or too much that is not the body; the connection is closed"),
    "internalError": (500, "a fault in Goniec; its log has more under the `requestId`"),
    "notReady": (503, "`/readyz`: `detail` says why"),
    "overloaded": (503, "too much waits to be recorded"),
    "unavailable": (503, "the database cannot be written just now: locked, full, gone"),
}
"""Code → the status that it comes with, and what is the matter."""
