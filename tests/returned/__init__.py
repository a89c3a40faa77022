"""Mail that came back, as servers write it: samples of our own, in the words and shapes that each kind of server uses.

`TOKEN` and `MESSAGE-ID` stand where a sample repeats what we gave the mail. `<XX>` in a `.bytes` sample is a byte.
"""

import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
TOKEN: Final = "06d4q3kzv8m2p7tj5xw9c1yb0n6gf4ahs3re8kd2mqv7zt5"
MESSAGE_ID: Final = f"dlv_01kax7z6k33fq2m8vd000000000000000abc.{TOKEN}"


def sample(name: str, token: str = TOKEN, message_id: str | None = None) -> bytes:
    """A mail, as an IMAP server gives it."""
    if message_id is None:
        message_id = MESSAGE_ID.replace(TOKEN, token)
    path = next(FOLDER.glob(f"{name}.*"))
    raw = path.read_bytes().replace(b"TOKEN", token.encode()).replace(b"MESSAGE-ID", message_id.encode())
    if path.suffix == ".bytes":
        raw = re.sub(rb"<([0-9A-F]{2})>", lambda found: bytes.fromhex(found[1].decode()), raw)
    return raw.replace(b"\n", b"\r\n")
