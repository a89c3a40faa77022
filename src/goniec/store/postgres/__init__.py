"""The store on PostgreSQL, through asyncpg: one database for any number of processes.

`goniec.store.opening` takes `open_store` from here. The rooms are those of the SQLite store, by the same names:
`opening` and `migrate` for the database as a whole, `store` with its `writer` and `readers` on a `loop` of their own,
`tx` for writing (`setup`, `users`, `record`, `deliver`, `erase`, `prune`), `queries` for reading (`lists`,
`delivery_lists`, `contact_lists`, `ledger`, `sums`), and `chain`, `seeking`, `slots`, `sql`, `locks` for all of them.
"""

from goniec.store.postgres.opening import open_store
from goniec.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "open_store"]
