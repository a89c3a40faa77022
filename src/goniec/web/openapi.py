"""The OpenAPI 3.1 document, made of the declarations that answer the calls: the two cannot say different things.

Called by `pages`, once, when somebody asks for it.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from goniec.web.operation import Operation
from goniec.web.problems import MEDIA_TYPE, ProblemDetails
from goniec.web.reading import KEY_LIMIT, Instant
from goniec.web.reply import JSON

ABOUT: Final = """\
Contacts behave, rules watch, and whoever wants to know is told by webhook.

* Send `Authorization: Bearer KEY`. A key's scope is `ingest` (sends contacts and events, reads nothing), `read` or
  `admin`.
* Errors are RFC 9457 problem details. `errors` names the places in the body by JSON pointer (RFC 6901).
* Keys are camelCase, times RFC 3339. Unknown keys and parameters are refused by name. A key that stands twice in an
  object counts the last time.
* Lists are `{items, nextCursor, more}`. Go on with `cursor=nextCursor`; also when `more` is false, as long as you like:
  who polls that way misses no row. A page may be short, or empty, with `more` true: where a filter finds little, a
  request stops after having looked at much, and `nextCursor` goes on from there.
* `Idempotency-Key` on POST and PATCH: the same request again gets the stored answer for 24 hours, with
  `Idempotency-Replayed: true`; the same key with another request is refused (422).
* What carries an `ETag` can be changed with `If-Match`; 412 says that somebody was quicker.
"""

TAGS: Final[Mapping[str, str]] = {
    "contacts": "People and companies, found by id, externalId, e-mail or phone.",
    "events": "What happens to contacts.",
    "mail": "What became of mail, told by whoever carries it.",
    "rules": "What is watched for, on which conditions, and what is done about it.",
    "runs": "What came of rules for contacts, and why.",
    "endpoints": "Where webhooks go, with which credentials and how patiently. Rules make them.",
    "deliveries": "Every webhook, its exact bytes and all its attempts.",
    "funnels": "Ordered stages; a contact is in at most one of a funnel.",
    "names": "Tags and details, and the rules that use them.",
    "keys": "Who may call this API.",
}
"""What each group of calls is about; one that is not named here goes without."""

_REASONS: Final[Mapping[int, str]] = {
    400: "The request cannot be read: malformed JSON, a wrong parameter or header.",
    401: "No key, or one that is unknown or revoked.",
    403: "The key's scope does not open this call.",
    404: "There is nothing with this id.",
    409: "It contradicts what is there; `code` says how.",
    412: "It has changed since it was read.",
    413: "The body is too large.",
    415: "The body is not application/json in UTF-8.",
    422: "A value cannot be taken; `errors` says which and why.",
    500: "A fault in Goniec; its log has more under the `requestId`.",
    503: "It cannot be written just now, and nothing was, or nobody knows: `detail` says which."
    " Try again after `Retry-After` seconds.",
}
_DONE: Final[Mapping[int, str]] = {200: "Done.", 201: "Made.", 202: "On disk.", 204: "Done; there is no body."}
_WRITING: Final = frozenset({"POST", "PUT", "PATCH"})
_WEB: Final = __name__.rpartition(".")[0]
_LISTED: Final = re.compile(r"Listed_(\w+?)(?:Out)?_")

_PARAMETERS: Final[Mapping[str, Any]] = {
    "idempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes it safe to send the request again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LIMIT, "pattern": "^[\\x21-\\x7e]+$"},
    },
    "cause": {
        "name": "goniec-cause",
        "in": "header",
        "description": "What the webhook's header of this name said, if this call answers one: then it joins the "
        "chain of what caused what, and no rule can answer itself in a loop.",
        "schema": {"type": "string", "pattern": "^run_[0-7][0-9A-HJKMNP-TV-Z]{33}$"},
    },
    "ifMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag as it came; the call is refused when it no longer fits.",
        "schema": {"type": "string", "pattern": '^(\\*|"[!#-~]+")$'},
    },
}


def document(operations: Sequence[Operation], version: str, base: str) -> bytes:
    """Write the document as JSON; `base` is where the calls stand."""
    types = [kind for one in operations for kind in (*_bodies(one), *_answered(one), one.query) if kind is not None]
    types.append(ProblemDetails)
    references, schemas = msgspec.json.schema_components(
        types, schema_hook=_special, ref_template="#/components/schemas/{name}"
    )
    schema_of = {id(kind): reference for kind, reference in zip(types, references, strict=True)}
    queries = {one.query.__name__ for one in operations if one.query is not None}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        parameters = [] if one.query is None else _query(schemas[one.query.__name__])
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schema_of, parameters)
    used = {one.tag: None for one in operations}
    content = {
        "openapi": "3.1.0",
        "info": {
            "title": "Goniec",
            "version": version,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "tags": [{"name": tag, "description": TAGS[tag]} if tag in TAGS else {"name": tag} for tag in used],
        "paths": paths,
        "components": {
            "schemas": {name: _described(schema) for name, schema in schemas.items() if name not in queries},
            "parameters": _PARAMETERS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "password": {"type": "http", "scheme": "basic", "description": "An API key as the password."},
            },
        },
    }
    return _renamed(msgspec.json.encode(content), [name for name in schemas if name not in queries])


def _operation(one: Operation, schema_of: Mapping[int, Any], parameters: list[Any]) -> dict[str, Any]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in one.path_names
    ]
    answers: dict[str, Any] = {
        str(status): {"description": _DONE[status], **_content(kind, schema_of)} for status, kind in one.answers.items()
    }
    if one.files:
        answers["200"]["content"] = {media: {"schema": {"type": "string"}} for media in one.files}
    problem = {MEDIA_TYPE: {"schema": schema_of[id(ProblemDetails)]}}
    answers |= {str(status): {"description": _REASONS[status], "content": problem} for status in _failures(one)}
    described: dict[str, Any] = {
        "operationId": _camel(one.name),
        "summary": one.summary,
        "description": f"{one.description}\n\nScope of the key: `{one.scope}`.",
        "tags": [one.tag],
        "security": [{"key": []}, {"password": []}] if one.foreign else [{"key": []}],
        "parameters": [*path, *parameters, *_headers(one)],
        "responses": answers,
    }
    if bodies := _bodies(one):
        schemas = [schema_of[id(kind)] for kind in bodies]
        content = {
            "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
            "examples": {name: {"value": value} for name, value in one.examples.items()},
        }
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    return described


def _bodies(one: Operation) -> tuple[Any, ...]:
    if one.body is None:
        return ()
    return one.body if isinstance(one.body, tuple) else (one.body,)


def _answered(one: Operation) -> list[Any]:
    return [kind for kind in one.answers.values() if kind is not None]


def _content(kind: object, schema_of: Mapping[int, Any]) -> dict[str, Any]:
    return {} if kind is None else {"content": {JSON: {"schema": schema_of[id(kind)]}}}


def _failures(one: Operation) -> list[int]:
    found = {400, 401, 403, 500, 503, *one.errors}
    if one.path_names:
        found.add(404)
    if one.method in _WRITING:
        found |= {413, 422}
    if one.body is not None:
        found.add(415)
    return sorted(found)


def _headers(one: Operation) -> list[dict[str, str]]:
    names = ["idempotencyKey"] if one.method in {"POST", "PATCH"} else []
    names += ["cause"] if one.method != "GET" and one.scope == "ingest" else []
    names += ["ifMatch"] if 412 in one.errors else []  # noqa: PLR2004 - the status that it is for
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _query(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Turn the schema of a query's struct into parameters."""
    parameters = []
    for name, given in schema["properties"].items():
        described = {key: value for key, value in given.items() if key != "description"}
        if described.get("default", ...) is None:
            # left out, a parameter is absent: there is no null in a query
            del described["default"]
            (described,) = [{**described, **kind} for kind in described.pop("anyOf") if kind != {"type": "null"}]
        parameter = {"name": name, "in": "query", "required": name in schema["required"], "schema": described}
        if "description" in given:
            parameter["description"] = given["description"]
        parameters.append(parameter)
    return parameters


def _described(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the indentation of the code out of a class's docstring: Markdown shows indented lines as code."""
    about = schema.get("description")
    return schema if about is None else {**schema, "description": inspect.cleandoc(about)}


def _special(_kind: type[Instant]) -> dict[str, str]:
    """Give the schema of the one type of its own that a query has."""
    return {"type": "string", "format": "date-time"}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _renamed(content: bytes, names: Sequence[str]) -> bytes:
    """Give schemas the names of things instead of classes: `EventOut` is `Event`, `Listed_EventOut_` is `EventList`."""
    text = content.decode()
    shown = {kind.__name__ for kind in _below(Struct) if kind.__module__.startswith(_WEB)}
    for name in names:
        better = _LISTED.sub(r"\1List", name)
        if name in shown and name.removesuffix("Out") not in names:
            better = name.removesuffix("Out")
        if better != name:
            text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{better}"')
            text = text.replace(f'"{name}":', f'"{better}":').replace(f'"title":"{name}"', f'"title":"{better}"')
    return text.encode()


def _below(kind: type[object]) -> Iterator[type[object]]:
    for one in type.__subclasses__(kind):
        yield one
        yield from _below(one)
