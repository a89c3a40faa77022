"""The one place where a request that went wrong becomes an answer, as RFC 9457 has it.

Handlers raise a `Fault` (or let the exceptions of the floors below through); `problem` turns any of them, and
Litestar's own, into a `Reply`. What is our own fault tells the caller only its `requestId`; the log has the rest.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.exceptions import HTTPException
from msgspec import Struct

from goniec.core.problems import Invalid, Problem
from goniec.flow.decoding import Malformed
from goniec.flow.record import Overloaded
from goniec.observe import log
from goniec.ports import Dice, Unavailable, Unsure
from goniec.web.reply import Reply

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:goniec:problem:"
"""What a problem's `type` begins with; its `code` follows."""

RETRY_SECONDS: Final = 5
"""What `Retry-After` asks for when too much waits or the store is away."""

CODES: Final[Mapping[int, str]] = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    409: "conflict",
    412: "preconditionFailed",
    413: "bodyTooLarge",
    415: "unsupportedMediaType",
    422: "invalid",
    500: "internalError",
    503: "unavailable",
}


class Fault(Exception):
    """A request that cannot be granted: status, code and an English sentence that says what to do.

    `errors` are the places in what was sent, `place` where they are (None: in the body; `query`, `header`, `path`),
    `extra` further members of the answer.
    """

    def __init__(  # noqa: PLR0913 - an answer has that many parts
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[Problem] = (),
        place: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code or CODES.get(status, "badRequest")
        self.detail = detail
        self.errors = errors
        self.place = place
        self.headers = headers
        self.extra = extra or {}


class ErrorItem(Struct, rename="camel", omit_defaults=True):
    """One fault: where (a JSON pointer into the body, or into what `in` names) and what to do."""

    pointer: str
    detail: str
    in_: str | None = msgspec.field(default=None, name="in")


class ProblemDetails(Struct, rename="camel"):
    """An error as in RFC 9457. `code` is the last part of `type`; further members depend on it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[ErrorItem] = []


def problem(error: Exception, dice: Dice, method: str, path: str) -> Reply:
    """Give the answer to a request that ended in `error`."""
    request_id = f"req_{dice.bits(80):020x}"
    fault = fault_of(error)
    if fault is None:
        log.exception("request.failed", request_id=request_id, method=method, path=path)
        detail = "a fault in Goniec, not in the request; its log has more under this requestId"
        fault = Fault(500, detail)
    return _reply(fault, request_id)


def invalid(problems: Sequence[Problem], place: str | None = None) -> Fault:
    """What is wrong with the values of a request: 422 for its body, 400 for anything else."""
    status = 422 if place is None else 400
    return Fault(status, _summary(problems, place), code="invalid", errors=problems, place=place)


def missing(noun: str) -> Fault:
    """Nothing has the id that the path names."""
    return Fault(404, f"there is no {noun} with this id")


def fault_of(error: Exception) -> Fault | None:
    """Give the fault that an exception stands for; None: it is none that a caller can mend."""
    match error:
        case Fault():
            return error
        case Invalid():
            return invalid(error.problems)
        case Malformed():
            return Fault(400, error.detail, code="malformed")
        case Overloaded():
            return _later("overloaded", "too much waits to be recorded; nothing of this request was taken")
        case Unsure():
            return _later("unavailable", f"nobody knows whether this request was written: {error}")
        case Unavailable():
            return _later("unavailable", f"nothing of this request was written: {error}")
        case HTTPException() if error.status_code < 500:  # noqa: PLR2004 - the border of server errors
            return _litestar(error)
        case _:
            return None


def _later(code: str, detail: str) -> Fault:
    return Fault(503, f"{detail}; try again later", code=code, headers=(("retry-after", str(RETRY_SECONDS)),))


def _litestar(error: HTTPException) -> Fault:
    headers = tuple((name.lower(), value) for name, value in (error.headers or {}).items())
    match error.status_code:
        case 404:
            return Fault(404, "there is nothing at this path", headers=headers)
        case 405:
            detail = "this path does not take that method; the header Allow names those it takes"
            return Fault(405, detail, headers=headers)
        case status:
            return Fault(status, error.detail, headers=headers)


def _summary(problems: Sequence[Problem], place: str | None) -> str:
    first = problems[0]
    where = first.pointer or ("the body" if place is None else f"the {place}")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where}: {first.detail}{more}"


def _reply(fault: Fault, request_id: str) -> Reply:
    content = {
        "type": TYPE + fault.code,
        "title": HTTPStatus(fault.status).phrase,
        "status": fault.status,
        "detail": fault.detail,
        "code": fault.code,
        "requestId": request_id,
        **fault.extra,
    }
    if fault.errors:
        content["errors"] = [ErrorItem(error.pointer, error.detail, fault.place) for error in fault.errors]
    headers = (*fault.headers, ("x-request-id", request_id))
    return Reply(fault.status, content, headers, media_type=MEDIA_TYPE)
