"""The steps as statements, as Alembic writes them; each store runs them itself, all in one transaction."""

import io
from pathlib import Path
from typing import Literal

from goniec.store.migrations import HEAD, SCRIPTS


def upgrade_sql(
    dialect: Literal["sqlite", "postgresql"], found: str | None, scripts: Path = SCRIPTS, head: str = HEAD
) -> str:
    """The statements that lead from one version (None: nothing) to another."""
    # imported only when the schema is behind: they take a good part of a second
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    directory = ScriptDirectory.from_config(config)
    text = io.StringIO()
    with EnvironmentContext(
        config,
        directory,
        fn=lambda revision, _: directory._upgrade_revs(head, revision),  # noqa: SLF001 - as Alembic's own command does
        as_sql=True,
        starting_rev=found,
        destination_rev=head,
    ) as environment:
        environment.configure(dialect_name=dialect, output_buffer=text, transactional_ddl=False)
        environment.run_migrations()
    return "\n".join(map(str.rstrip, text.getvalue().splitlines())) + "\n"
