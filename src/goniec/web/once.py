"""`Idempotency-Key`: a request that is sent again gets the first answer again, and nothing happens twice.

The answer is written in the same transaction as what it tells of, under the caller's API key, and kept for 24 hours.
The same key with another method, path or body is refused. Calls about contacts go through the recorder (`recorded`),
all others through `once`. Callers put addresses into their keys, so only a key's SHA-256 is kept: erasing a contact
could not find it there.
"""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Final, TypeVar

from msgspec.structs import replace
from typing_extensions import override

from goniec.core.decide import Call
from goniec.flow.batch import Result
from goniec.flow.record import Answering
from goniec.ports import Queries, Remembered, Store, Tx
from goniec.web.operation import Ask
from goniec.web.problems import Fault
from goniec.web.reply import Reply

T = TypeVar("T")

REPLAYED: Final = ("idempotency-replayed", "true")
NO_CONTENT: Final = 204

DIGEST_BYTES: Final = 32
"""Of SHA-256; what is sealed is longer."""


async def once(
    ask: Ask, act: Callable[[Store], Awaitable[T]], tell: Callable[[T], Reply], *, secret: bool = False
) -> Reply:
    """Let `act` change something through the store it is given, and tell what came of it.

    `act` makes one transaction, whose result it returns as it is. `tell` may raise a `Fault`: then nothing is
    remembered, and asking again does it again, so it raises only where nothing was written. Where the request or the
    answer holds a `secret`, both the answer and the request's digest, from which a password could be guessed, are
    remembered sealed.
    """
    if ask.idempotency_key is None:
        return tell(await act(ask.context.store))
    digest = _digest(ask)
    remembering = _Remembering(ask, digest, tell, secret=secret)
    try:
        result = await act(remembering)
    except _Known as known:
        return replayed(_unsealed(ask, known.answer) if secret else known.answer, digest)
    return tell(result)


async def answered(ask: Ask) -> Reply | None:
    """Give the first answer, if there is one: for what is not undone when the transaction that remembers it fails."""
    if ask.idempotency_key is None:
        return None
    key = _key(ask)
    known = await ask.context.store.transact(lambda tx: tx.remembered(key))
    return None if known is None else replayed(known, _digest(ask))


async def recorded(
    ask: Ask, calls: Sequence[Call], tell: Callable[[Sequence[Result]], Reply], *, refused: int = 0
) -> Reply:
    """Record calls about contacts and tell what came of them.

    `tell` gives a reply for refusals too; it raises nothing.
    """
    context = ask.context
    if ask.idempotency_key is None:
        results = await context.recorder.record(calls, refused=refused, size=len(ask.raw))
        assert not isinstance(results, Remembered), "nothing was to be remembered"  # noqa: S101 - tells the type checker
        return tell(results)
    digest = _digest(ask)
    answering = Answering(_key(ask), digest, lambda results: _remembered(tell(results), digest))
    results = await context.recorder.record(calls, refused=refused, size=len(ask.raw), answering=answering)
    if isinstance(results, Remembered):
        return replayed(results, digest)
    return tell(results)


def replayed(answer: Remembered, digest: bytes) -> Reply:
    """Give an answer again; refuse a key that was used for another request, and one whose answer was erased."""
    if answer.digest != digest:
        detail = "this Idempotency-Key was used for another request; take a new one for every new request"
        raise Fault(422, detail, code="idempotencyKeyReused")
    if not answer.body and answer.status != NO_CONTENT:
        detail = "the request was done; what it was answered has been erased since, with the contact that it told of"
        raise Fault(409, detail, code="answerErased")
    headers = tuple(header for header in answer.headers if header[0] != _MEDIA)
    media_type = next((value for name, value in answer.headers if name == _MEDIA), "application/json")
    return Reply(answer.status, answer.body or None, (*headers, REPLAYED), media_type)


def remembered_as(key_id: str, idempotency_key: str) -> str:
    """Give the name under which the answer to an API key's request is kept."""
    return f"{key_id}:{sha256(idempotency_key.encode()).hexdigest()}"


_MEDIA: Final = "content-type"


def _remembered(reply: Reply, digest: bytes) -> Remembered:
    return Remembered(digest, reply.status, reply.body(), ((_MEDIA, reply.media_type), *reply.headers))


def _sealed(ask: Ask, answer: Remembered) -> Remembered:
    seal, row = ask.context.vault.seal, _row(ask)
    return replace(answer, digest=seal(row, answer.digest.hex()), body=seal(row, answer.body.decode()))


def _unsealed(ask: Ask, answer: Remembered) -> Remembered:
    if len(answer.digest) == DIGEST_BYTES:
        return answer  # the key was used for a call without secrets, and so for another request
    unseal, row = ask.context.vault.unseal, _row(ask)
    try:
        digest = bytes.fromhex(unseal(row, answer.digest))
        return replace(answer, digest=digest, body=unseal(row, answer.body).encode())
    except ValueError:
        raise Fault(409, "the answer to this Idempotency-Key cannot be given again; take a new one") from None


def _row(ask: Ask) -> str:
    """What a sealed answer is bound to."""
    return f"answer_{sha256(_key(ask).encode()).hexdigest()}"


def _key(ask: Ask) -> str:
    assert ask.idempotency_key is not None, "nothing is remembered without one"  # noqa: S101 - tells the type checker
    return remembered_as(ask.key.id, ask.idempotency_key)


def _digest(ask: Ask) -> bytes:
    return sha256(b"\0".join((ask.method.encode(), ask.target.encode(), ask.raw))).digest()


class _Known(Exception):
    """The request was answered before."""

    def __init__(self, answer: Remembered) -> None:
        super().__init__()
        self.answer = answer


class _Remembering(Store):
    """A store whose transactions remember the answer beside what they do."""

    def __init__(self, ask: Ask, digest: bytes, tell: Callable[[T], Reply], *, secret: bool) -> None:
        self._ask = ask
        self._digest = digest
        self._tell: Callable[..., Reply] = tell
        self._secret = secret

    @property
    @override
    def queries(self) -> Queries:
        return self._ask.context.store.queries

    @override
    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        key, now = _key(self._ask), self._ask.context.clock.now()

        async def first(tx: Tx) -> T:
            known = await tx.remembered(key)
            if known is not None:
                raise _Known(known)
            result = await work(tx)
            try:
                reply = self._tell(result)
            except Fault:
                return result
            answer = _remembered(reply, self._digest)
            await tx.remember(key, _sealed(self._ask, answer) if self._secret else answer, now)
            return result

        return await self._ask.context.store.transact(first)

    @override
    async def backup(self, path: str) -> None:
        await self._ask.context.store.backup(path)

    @override
    async def close(self) -> None:
        raise AssertionError("who opened the store closes it")
