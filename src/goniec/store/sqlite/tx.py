"""The transaction: all its rooms joined. The writer makes one for each piece of work and throws it away at its end."""

from goniec.store.sqlite.erase import EraseTx
from goniec.store.sqlite.jobs import JobsTx
from goniec.store.sqlite.leases import LeasesTx
from goniec.store.sqlite.prune import PruneTx
from goniec.store.sqlite.record import RecordTx
from goniec.store.sqlite.setup import SetupTx
from goniec.store.sqlite.users import UsersTx


class SqliteTx(SetupTx, UsersTx, RecordTx, EraseTx, PruneTx, JobsTx, LeasesTx):
    """The `Tx` port on SQLite: coroutines that never wait, on the writer's thread."""
