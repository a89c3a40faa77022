"""The database: its schema, its migrations, one room per product that keeps it, and the vault for secrets.

`app` and `cli` open it; everybody else knows only the ports. What stops a database from being opened, copied or
restored is `Refused`: its text says what to do, and the commands print it as it is.
"""


class Refused(Exception):
    """The database or its key cannot be used as it stands; the message says what to do about it."""
