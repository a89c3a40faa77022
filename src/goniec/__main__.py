"""The door for `goniec` and `python -m goniec`.

Called by the operating system only. The commands live one floor beside it in `goniec.cli`, which is imported here as late as
possible, so that importing this module costs nothing.
"""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    from goniec.cli import app  # noqa: PLC0415 - so that importing the door does not import the house

    app()


if __name__ == "__main__":
    main()
