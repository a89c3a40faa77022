"""Setup: rules, endpoints, funnels, API keys and marks. Few rows, seldom written, read whole.

The functions read, for transactions and queries alike; `SetupTx` is the writing room of a transaction. Whatever
decides or sends notices a change by the setup version, which each write of a rule, endpoint or funnel raises.
"""

import apsw
from msgspec.structs import replace

from goniec.core.breaker import CLOSED, Breaker
from goniec.core.endpoint import Endpoint
from goniec.core.messages import Message
from goniec.core.model import ApiKey, Funnel
from goniec.core.parts import part_names
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.store.documents import DECODERS, endpoint_of_row, identity, read, readable, rule_of_row, why_unreadable
from goniec.store.rows import decode_funnel, decode_key, decode_message, decode_rule, encode
from goniec.store.sqlite.sql import fetch, texts
from goniec.store.sqlite.transaction import Transaction


def rules(db: apsw.Connection) -> list[Rule]:
    """All rules, in the order in which they are applied; one that cannot be read stands there inactive."""
    found = db.execute("SELECT id, position, doc FROM rules ORDER BY position, id")
    return [rule_of_row(id, position, doc) for id, position, doc in found]


def rules_unless(db: apsw.Connection, known: int) -> tuple[int, list[Rule] | None]:
    """The setup version, and all rules unless it is the one that is known: None says that nothing has changed."""
    version = setup_version(db)
    return version, None if version == known else rules(db)


def mark(db: apsw.Connection, name: str) -> bytes | None:
    """A mark's value."""
    found: bytes | None = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).get
    return found


def setup_version(db: apsw.Connection) -> int:
    """Rises with every change of a rule, endpoint or funnel."""
    row = db.execute("SELECT value FROM counters WHERE name = 'setup'").fetchone()
    return 0 if row is None else int(row[0])


def rule(db: apsw.Connection, rule_id: str) -> Rule | None:
    """One rule, as `rules` gives it."""
    row = db.execute("SELECT id, position, doc FROM rules WHERE id = ?", (rule_id,)).fetchone()
    return None if row is None else rule_of_row(*row)


def rule_version(db: apsw.Connection, rule_id: str, version: int) -> Rule | None:
    """A rule as it was in a version; also of a rule that has been deleted."""
    sql = "SELECT doc FROM rule_versions WHERE rule_id = ? AND version = ?"
    row = db.execute(sql, (rule_id, version)).fetchone()
    return None if row is None else read(decode_rule, row[0])


def endpoints(db: apsw.Connection) -> list[Endpoint]:
    """All endpoints. One that cannot be read is left out: nothing can be sent to it, and `unreadable` tells of it."""
    found = (endpoint_of_row(*row) for row in db.execute("SELECT held_until, breaker, doc FROM endpoints ORDER BY id"))
    return [endpoint for endpoint in found if endpoint is not None]


def endpoint(db: apsw.Connection, endpoint_id: str) -> Endpoint | None:
    """One endpoint, as `endpoints` gives it."""
    row = db.execute("SELECT held_until, breaker, doc FROM endpoints WHERE id = ?", (endpoint_id,)).fetchone()
    return None if row is None else endpoint_of_row(*row)


def funnels(db: apsw.Connection) -> list[Funnel]:
    """All funnels that can be read, in the order of their ids."""
    return readable(decode_funnel, fetch(db, "SELECT doc FROM funnels ORDER BY id"))


def messages(db: apsw.Connection) -> list[Message]:
    """All messages that can be read, in the order of their ids."""
    return readable(decode_message, fetch(db, "SELECT doc FROM messages ORDER BY id"))


def message(db: apsw.Connection, message_id: str) -> Message | None:
    """One message."""
    row = db.execute("SELECT doc FROM messages WHERE id = ?", (message_id,)).fetchone()
    return None if row is None else read(decode_message, row[0])


def keys(db: apsw.Connection) -> list[ApiKey]:
    """All API keys that can be read, revoked ones too."""
    return readable(decode_key, fetch(db, "SELECT doc FROM api_keys ORDER BY id"))


def key(db: apsw.Connection, digest: bytes) -> ApiKey | None:
    """The API key with this SHA-256."""
    row = db.execute("SELECT doc FROM api_keys WHERE digest = ?", (digest,)).fetchone()
    return None if row is None else read(decode_key, row[0])


def unreadable(db: apsw.Connection) -> list[str]:
    """What of the setup cannot be read, with the reason, for `doctor`."""
    found = []
    for table in DECODERS:
        found += why_unreadable(table, fetch(db, f"SELECT id, doc FROM {table} ORDER BY id"))
    return found


class SetupTx(Transaction):
    """Setup, inside a transaction."""

    async def setup_version(self) -> int:
        return setup_version(self.db)

    async def rules(self) -> list[Rule]:
        return rules(self.db)

    async def last_position(self) -> int | None:
        found: int | None = self.db.execute("SELECT max(position) FROM rules").get
        return found

    async def rule(self, rule_id: str) -> Rule | None:
        return rule(self.db, rule_id)

    async def put_rule(self, rule: Rule) -> None:
        doc = encode(rule)
        self.db.execute(
            "INSERT INTO rules (id, position, doc) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET position = excluded.position, doc = excluded.doc",
            (rule.id, rule.position, doc),
        )
        self.db.execute(
            "INSERT INTO rule_versions (rule_id, version, doc) VALUES (?, ?, ?)"
            " ON CONFLICT (rule_id, version) DO UPDATE SET doc = excluded.doc",
            (rule.id, rule.version, doc),
        )
        self._changed()

    async def delete_rule(self, rule_id: str) -> None:
        self.db.execute("DELETE FROM rules WHERE id = ?", (rule_id,))
        self._changed()

    async def endpoints(self) -> list[Endpoint]:
        return endpoints(self.db)

    async def endpoint(self, endpoint_id: str) -> Endpoint | None:
        return endpoint(self.db, endpoint_id)

    async def endpoint_of(self, url: str, username: str | None) -> Endpoint | None:
        sql = "SELECT held_until, breaker, doc FROM endpoints WHERE identity = ?"
        row = self.db.execute(sql, (identity(url, username),)).fetchone()
        return None if row is None else endpoint_of_row(*row)

    async def put_endpoint(self, endpoint: Endpoint) -> None:
        self.db.execute(
            "INSERT INTO endpoints (id, identity, held_until, breaker, doc) VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, doc = excluded.doc,"
            " held_until = iif(?6, excluded.held_until, held_until), breaker = iif(?6, excluded.breaker, breaker)",
            (
                endpoint.id,
                identity(endpoint.url, endpoint.username),
                endpoint.held_until,
                encode(endpoint.breaker),
                encode(replace(endpoint, breaker=CLOSED)),
                endpoint.starts_afresh,
            ),
        )
        self._changed()

    async def delete_endpoint(self, endpoint_id: str) -> None:
        self.db.execute("DELETE FROM endpoints WHERE id = ?", (endpoint_id,))
        self.db.execute("DELETE FROM leases WHERE name IN carray(?)", (texts((endpoint_id, *part_names(endpoint_id))),))
        self._changed()

    async def waiting(self, endpoint_id: str, most: int) -> int:
        sql = "SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint_id = ? LIMIT ?)"
        found: int = self.db.execute(sql, (endpoint_id, most)).get
        return found

    async def hold_endpoint(self, endpoint_id: str, until: Millis, afresh: int) -> None:
        known = endpoint(self.db, endpoint_id)
        if known is not None and known.afresh == afresh:
            until = max(until, known.held_until or 0)
            self.db.execute("UPDATE endpoints SET held_until = ? WHERE id = ?", (until, endpoint_id))

    async def keep_breaker(self, endpoint_id: str, breaker: Breaker, afresh: int) -> None:
        known = endpoint(self.db, endpoint_id)
        if known is not None and known.afresh == afresh:
            self.db.execute("UPDATE endpoints SET breaker = ? WHERE id = ?", (encode(breaker), endpoint_id))

    async def funnels(self) -> list[Funnel]:
        return funnels(self.db)

    async def put_funnel(self, funnel: Funnel) -> None:
        self.db.execute(
            "INSERT INTO funnels (id, doc) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
            (funnel.id, encode(funnel)),
        )
        self._changed()

    async def delete_funnel(self, funnel_id: str) -> None:
        self.db.execute("DELETE FROM funnels WHERE id = ?", (funnel_id,))
        self._changed()

    async def messages(self) -> list[Message]:
        return messages(self.db)

    async def message(self, message_id: str) -> Message | None:
        return message(self.db, message_id)

    async def put_message(self, message: Message) -> None:
        self.db.execute(
            "INSERT INTO messages (id, doc) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
            (message.id, encode(message)),
        )
        self._changed()

    async def delete_message(self, message_id: str) -> None:
        self.db.execute("DELETE FROM messages WHERE id = ?", (message_id,))
        self._changed()

    async def changed(self) -> None:
        self._changed()

    async def keys(self) -> list[ApiKey]:
        return keys(self.db)

    async def put_key(self, key: ApiKey) -> None:
        self.db.execute(
            "INSERT INTO api_keys (id, digest, doc) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, doc = excluded.doc",
            (key.id, key.digest, encode(key)),
        )

    async def mark(self, name: str) -> bytes | None:
        return mark(self.db, name)

    async def put_mark(self, name: str, value: bytes) -> None:
        self.db.execute(
            "INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def _changed(self) -> None:
        self.db.execute(
            "INSERT INTO counters (name, value) VALUES ('setup', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
        )
