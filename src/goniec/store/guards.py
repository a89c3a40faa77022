"""What guards against doing a thing twice, as it stands in the tables. Called by `record` in each store."""

from hashlib import blake2b


def dedup_key(key: str) -> bytes:
    """What stands in the table for a caller's key: a digest, for callers put names and addresses into keys."""
    return blake2b(key.encode(), digest_size=16).digest()
