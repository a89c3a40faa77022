"""The store on one SQLite file, through apsw alone: a second SQLite library in the process would lose commits.

`app` and `cli` take `open_store` and `restore` from here. Rooms: `opening` and `restoring` for the file as a whole
(`connect`, `files`, `migrate` below them), `store` with its `writer` and `readers`, `tx` for writing (`setup`,
`record`, `deliver`, `erase`, `prune`), `queries` for reading (`lists`, `ledger`), and `rows`, `chain`, `sql` for all
of them.
"""

from goniec.store.sqlite.opening import open_store
from goniec.store.sqlite.restoring import restore
from goniec.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "open_store", "restore"]
