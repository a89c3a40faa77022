"""The door for `goniec` and `python -m goniec`.

Called by the operating system only. The commands live beside it in `goniec.cli`, which is imported as late as possible,
so that importing the door does not import the house.
"""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    from goniec.cli import app

    app()


if __name__ == "__main__":
    main()
