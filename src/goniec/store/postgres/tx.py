"""The transaction: all its rooms joined. The writer makes one for each piece of work and throws it away at its end."""

from goniec.store.postgres.erase import EraseTx
from goniec.store.postgres.jobs import JobsTx
from goniec.store.postgres.leases import LeasesTx
from goniec.store.postgres.prune import PruneTx
from goniec.store.postgres.record import RecordTx
from goniec.store.postgres.setup import SetupTx
from goniec.store.postgres.users import UsersTx


class PostgresTx(SetupTx, UsersTx, RecordTx, EraseTx, PruneTx, JobsTx, LeasesTx):
    """The `Tx` port on PostgreSQL. What it has read of contacts, setup and deliveries nobody else changes meanwhile."""
