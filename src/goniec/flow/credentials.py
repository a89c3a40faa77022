"""An endpoint's sealed secrets, opened for the sender.

Called by `deliver` and by test sends; nothing else opens them.
"""

from goniec.core.endpoint import Endpoint
from goniec.core.signing import basic, decode_secret
from goniec.core.wire import Credentials
from goniec.ports import Vault


def unsealed(endpoint: Endpoint, vault: Vault) -> Credentials:
    """Open what an attempt needs; raises `ValueError` when no key at hand fits."""

    def opened(sealed: bytes) -> str:
        return vault.unseal(endpoint.id, sealed)

    authorization = None
    if endpoint.username is not None:
        authorization = basic(endpoint.username, opened(endpoint.password) if endpoint.password is not None else "")
    return Credentials(
        secret=decode_secret(opened(endpoint.secret)),
        previous=decode_secret(opened(endpoint.previous_secret)) if endpoint.previous_secret is not None else None,
        previous_until=endpoint.previous_until or 0,
        authorization=authorization,
        own=tuple((h.name, opened(h.sealed) if h.sealed is not None else h.value or "") for h in endpoint.headers),
    )
