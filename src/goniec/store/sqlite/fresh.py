"""`python -m goniec.store.sqlite.fresh` writes `fresh.sql` anew: all migrations as statements. For developers."""

from goniec.store.migrations.steps import upgrade_sql
from goniec.store.sqlite.migrate import FRESH


def text() -> str:
    """What `fresh.sql` has to say."""
    return upgrade_sql("sqlite", None)


if __name__ == "__main__":
    FRESH.write_text(text())
