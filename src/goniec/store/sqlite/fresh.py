"""`python -m goniec.store.sqlite.fresh` writes `fresh.sql` anew: all migrations as statements. For developers."""

from goniec.store.sqlite.migrate import FRESH, upgrade_sql


def text() -> str:
    """What `fresh.sql` has to say."""
    return upgrade_sql(None)


if __name__ == "__main__":
    FRESH.write_text(text())
