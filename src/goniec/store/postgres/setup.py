"""Setup: rules, endpoints, funnels, API keys and marks. Few rows, seldom written, read whole.

The functions read, for transactions and queries alike; `SetupTx` is the writing room of a transaction. Whatever
decides or sends notices a change by the setup version, which each write of a rule, endpoint or funnel raises. Who reads
setup inside a transaction has it alone until the end, so that two never change it by what neither has seen.
"""

from msgspec.structs import replace

from goniec.core.breaker import CLOSED, Breaker
from goniec.core.endpoint import Endpoint
from goniec.core.messages import Message
from goniec.core.model import ApiKey, Funnel
from goniec.core.parts import part_names
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.store.documents import DECODERS, endpoint_of_row, identity, read, readable, rule_of_row, why_unreadable
from goniec.store.postgres.locks import SETUP
from goniec.store.postgres.sql import Db, fetch
from goniec.store.postgres.transaction import Transaction
from goniec.store.rows import decode_funnel, decode_key, decode_message, decode_rule, encode


async def rules(db: Db) -> list[Rule]:
    """All rules, in the order in which they are applied; one that cannot be read stands there inactive."""
    return [rule_of_row(*row) for row in await fetch(db, "SELECT id, position, doc FROM rules ORDER BY position, id")]


async def rules_unless(db: Db, known: int) -> tuple[int, list[Rule] | None]:
    """The setup version, and all rules unless it is the one that is known: None says that nothing has changed."""
    version = await setup_version(db)
    return version, None if version == known else await rules(db)


async def setup_version(db: Db) -> int:
    """Rises with every change of a rule, endpoint or funnel."""
    found: int | None = await db.fetchval("SELECT value FROM counters WHERE name = 'setup'")
    return found or 0


async def rule(db: Db, rule_id: str) -> Rule | None:
    """One rule, as `rules` gives it."""
    row = await db.fetchrow("SELECT id, position, doc FROM rules WHERE id = $1", rule_id)
    return None if row is None else rule_of_row(*row)


async def rule_version(db: Db, rule_id: str, version: int) -> Rule | None:
    """A rule as it was in a version; also of a rule that has been deleted."""
    doc = await db.fetchval("SELECT doc FROM rule_versions WHERE rule_id = $1 AND version = $2", rule_id, version)
    return None if doc is None else read(decode_rule, doc)


async def endpoints(db: Db) -> list[Endpoint]:
    """All endpoints. One that cannot be read is left out: nothing can be sent to it, and `unreadable` tells of it."""
    found = [
        endpoint_of_row(*row) for row in await fetch(db, "SELECT held_until, breaker, doc FROM endpoints ORDER BY id")
    ]
    return [endpoint for endpoint in found if endpoint is not None]


async def endpoint(db: Db, endpoint_id: str) -> Endpoint | None:
    """One endpoint, as `endpoints` gives it."""
    row = await db.fetchrow("SELECT held_until, breaker, doc FROM endpoints WHERE id = $1", endpoint_id)
    return None if row is None else endpoint_of_row(*row)


async def funnels(db: Db) -> list[Funnel]:
    """All funnels that can be read, in the order of their ids."""
    return readable(decode_funnel, await fetch(db, "SELECT doc FROM funnels ORDER BY id"))


async def messages(db: Db) -> list[Message]:
    """All messages that can be read, in the order of their ids."""
    return readable(decode_message, await fetch(db, "SELECT doc FROM messages ORDER BY id"))


async def message(db: Db, message_id: str) -> Message | None:
    """One message."""
    doc = await db.fetchval("SELECT doc FROM messages WHERE id = $1", message_id)
    return None if doc is None else read(decode_message, doc)


async def keys(db: Db) -> list[ApiKey]:
    """All API keys that can be read, revoked ones too."""
    return readable(decode_key, await fetch(db, "SELECT doc FROM api_keys ORDER BY id"))


async def key(db: Db, digest: bytes) -> ApiKey | None:
    """The API key with this SHA-256."""
    doc = await db.fetchval("SELECT doc FROM api_keys WHERE digest = $1", digest)
    return None if doc is None else read(decode_key, doc)


async def mark(db: Db, name: str) -> bytes | None:
    """A mark's value."""
    found: bytes | None = await db.fetchval("SELECT value FROM marks WHERE name = $1", name)
    return found


async def unreadable(db: Db) -> list[str]:
    """What of the setup cannot be read, with the reason, for `doctor`."""
    found = []
    for table in DECODERS:
        found += why_unreadable(table, await fetch(db, f"SELECT id, doc FROM {table} ORDER BY id"))
    return found


class SetupTx(Transaction):
    """Setup, inside a transaction."""

    async def setup_version(self) -> int:
        return await setup_version(self.db)

    async def rules(self) -> list[Rule]:
        return await rules(await self._mine())

    async def last_position(self) -> int | None:
        db = await self._mine()
        found: int | None = await db.fetchval("SELECT max(position) FROM rules")
        return found

    async def rule(self, rule_id: str) -> Rule | None:
        return await rule(await self._mine(), rule_id)

    async def put_rule(self, rule: Rule) -> None:
        db, doc = await self._mine(), encode(rule)
        await db.execute(
            "INSERT INTO rules (id, position, doc) VALUES ($1, $2, $3)"
            " ON CONFLICT (id) DO UPDATE SET position = excluded.position, doc = excluded.doc",
            rule.id,
            rule.position,
            doc,
        )
        await db.execute(
            "INSERT INTO rule_versions (rule_id, version, doc) VALUES ($1, $2, $3)"
            " ON CONFLICT (rule_id, version) DO UPDATE SET doc = excluded.doc",
            rule.id,
            rule.version,
            doc,
        )
        await self._changed()

    async def delete_rule(self, rule_id: str) -> None:
        db = await self._mine()
        await db.execute("DELETE FROM rules WHERE id = $1", rule_id)
        await self._changed()

    async def endpoints(self) -> list[Endpoint]:
        return await endpoints(await self._mine())

    async def endpoint(self, endpoint_id: str) -> Endpoint | None:
        return await endpoint(await self._mine(), endpoint_id)

    async def endpoint_of(self, url: str, username: str | None) -> Endpoint | None:
        db = await self._mine()
        sql = "SELECT held_until, breaker, doc FROM endpoints WHERE identity = $1"
        row = await db.fetchrow(sql, identity(url, username))
        return None if row is None else endpoint_of_row(*row)

    async def put_endpoint(self, endpoint: Endpoint) -> None:
        db = await self._mine()
        await db.execute(
            "INSERT INTO endpoints AS known (id, identity, held_until, breaker, doc) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, doc = excluded.doc,"
            " held_until = CASE WHEN $6::boolean THEN excluded.held_until ELSE known.held_until END,"
            " breaker = CASE WHEN $6::boolean THEN excluded.breaker ELSE known.breaker END",
            endpoint.id,
            identity(endpoint.url, endpoint.username),
            endpoint.held_until,
            encode(endpoint.breaker),
            encode(replace(endpoint, breaker=CLOSED)),
            endpoint.starts_afresh,
        )
        await self._changed()

    async def delete_endpoint(self, endpoint_id: str) -> None:
        db = await self._mine()
        await db.execute("DELETE FROM endpoints WHERE id = $1", endpoint_id)
        await db.execute("DELETE FROM leases WHERE name = ANY($1)", [endpoint_id, *part_names(endpoint_id)])
        await self._changed()

    async def waiting(self, endpoint_id: str, most: int) -> int:
        sql = "SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint_id = $1 LIMIT $2) q"
        found: int = await self.db.fetchval(sql, endpoint_id, most)
        return found

    async def hold_endpoint(self, endpoint_id: str, until: Millis, afresh: int) -> None:
        known = await self._since(endpoint_id, afresh)
        if known is not None:
            until = max(until, known.held_until or 0)
            await self.db.execute("UPDATE endpoints SET held_until = $1 WHERE id = $2", until, endpoint_id)

    async def keep_breaker(self, endpoint_id: str, breaker: Breaker, afresh: int) -> None:
        if await self._since(endpoint_id, afresh) is not None:
            await self.db.execute("UPDATE endpoints SET breaker = $1 WHERE id = $2", encode(breaker), endpoint_id)

    async def _since(self, endpoint_id: str, afresh: int) -> Endpoint | None:
        """An endpoint, until the end ours alone to write to, unless it has started afresh since."""
        sql = "SELECT held_until, breaker, doc FROM endpoints WHERE id = $1 FOR UPDATE"
        row = await self.db.fetchrow(sql, endpoint_id)
        known = None if row is None else endpoint_of_row(*row)
        return known if known is not None and known.afresh == afresh else None

    async def funnels(self) -> list[Funnel]:
        return await funnels(await self._mine())

    async def put_funnel(self, funnel: Funnel) -> None:
        db = await self._mine()
        await db.execute(
            "INSERT INTO funnels (id, doc) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
            funnel.id,
            encode(funnel),
        )
        await self._changed()

    async def delete_funnel(self, funnel_id: str) -> None:
        db = await self._mine()
        await db.execute("DELETE FROM funnels WHERE id = $1", funnel_id)
        await self._changed()

    async def messages(self) -> list[Message]:
        return await messages(await self._mine())

    async def message(self, message_id: str) -> Message | None:
        return await message(await self._mine(), message_id)

    async def put_message(self, message: Message) -> None:
        db = await self._mine()
        await db.execute(
            "INSERT INTO messages (id, doc) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
            message.id,
            encode(message),
        )
        await self._changed()

    async def delete_message(self, message_id: str) -> None:
        db = await self._mine()
        await db.execute("DELETE FROM messages WHERE id = $1", message_id)
        await self._changed()

    async def changed(self) -> None:
        await self._changed()

    async def keys(self) -> list[ApiKey]:
        return await keys(await self._mine())

    async def put_key(self, key: ApiKey) -> None:
        db = await self._mine()
        await db.execute(
            "INSERT INTO api_keys (id, digest, doc) VALUES ($1, $2, $3)"
            " ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, doc = excluded.doc",
            key.id,
            key.digest,
            encode(key),
        )

    async def mark(self, name: str) -> bytes | None:
        return await mark(await self._mine(), name)

    async def put_mark(self, name: str, value: bytes) -> None:
        await self.db.execute(
            "INSERT INTO marks (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name,
            value,
        )

    async def _mine(self) -> Db:
        await self.alone(SETUP)
        return self.db

    async def _changed(self) -> None:
        await self.db.execute(
            "INSERT INTO counters (name, value) VALUES ('setup', 1)"
            " ON CONFLICT (name) DO UPDATE SET value = counters.value + 1"
        )
