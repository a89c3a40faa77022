"""What all commands share: their help, their exit codes, and sentences in place of tracebacks."""

import importlib
import inspect
import re
import subprocess
from pathlib import Path

import pytest

from goniec.cli import COMMANDS, GROUPS, app, run
from tests.cli.commands import GONIEC, environment, goniec

EVERY = [command.split() for command, _, _ in COMMANDS]


def test_help_names_every_command(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "--help")
    assert ran.returncode == 0
    listed = re.findall(r"^  ([a-z]+): ", ran.stdout, re.MULTILINE)
    assert [*dict.fromkeys(command[0] for command in EVERY)] == listed
    assert ran.stderr == ""


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_every_command_explains_itself(tmp_path: Path, command: list[str]) -> None:
    ran = goniec(tmp_path, *command, "--help")
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"Usage: goniec {' '.join(command)}")
    assert [*tmp_path.iterdir()] == []


def test_what_the_help_says_is_what_the_code_says() -> None:
    for _, place, about in COMMANDS:
        module, _, name = place.partition(":")
        function = getattr(importlib.import_module(f"goniec.cli.{module}"), name)
        assert inspect.getdoc(function) == about


def test_groups_hold_commands() -> None:
    assert {*GROUPS} == {command[0] for command in EVERY if len(command) > 1}
    assert all(name in app for name in GROUPS)


def test_the_version(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "--version")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", ran.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["key"],
        ["key", "nonsense"],
        ["key", "create"],
        ["key", "create", "a", "--scope", "everything"],
        ["serve", "--port", "x"],
        ["serve", "--port", "70000"],
        ["serve", "--role", "chef"],
        ["serve", "extra"],
        ["deliveries", "list", "--limit", "0"],
        ["deliveries", "list", "--since", "yesterday"],
        ["deliveries", "list", "--status", "lost"],
        ["deliveries", "show"],
        ["deliveries", "resend"],
        ["explain", "one"],
        ["backup"],
        ["demo", "--leave"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_and_is_2(tmp_path: Path, arguments: list[str]) -> None:
    ran = goniec(tmp_path, *arguments)
    if arguments == ["key"]:
        assert (ran.returncode, ran.stderr) == (0, "")  # a group by itself shows its help
        return
    assert ran.returncode == 2
    assert ran.stderr.startswith("goniec: ")
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nonsense", 'Unknown command "nonsense".\nSee goniec --help.'),
        ("explan", 'Unknown command "explan". Did you mean "explain"?\nSee goniec --help.'),
        ("key nonsense", 'Unknown command "nonsense". Available commands: create.\nSee goniec key --help.'),
        ("key create", "NAME is missing\nSee goniec key create --help."),
        ("serve extra", "there is no use for 'extra': it is one argument too many\nSee goniec serve --help."),
        ("serve --port", "--port wants a value\nSee goniec serve --help."),
        ("serve --port x", "--port is 'x': a whole number is expected\nSee goniec serve --help."),
        ("serve --prot 1", "Unknown option: --prot. Did you mean --port?\nSee goniec serve --help."),
        ("receive --delay x", "--delay is 'x': a number is expected\nSee goniec receive --help."),
    ],
)
def test_wrong_usage_is_told_in_words_for_people(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert capsys.readouterr() == ("", f"goniec: {told}\n")


@pytest.mark.parametrize("command", [one for one in EVERY if one[0] not in {"bench", "demo", "receive"}], ids=" ".join)
def test_wrong_settings_stop_every_command(tmp_path: Path, command: list[str]) -> None:
    given = {
        "key": ["a"],
        "user": ["a@b.pl"],
        "backup": ["x"],
        "restore": ["x"],
        "explain": ["a", "b"],
        "messages": ["x"],
    }
    rest = given.get(command[0], [])
    rest = ["dlv_1"] if command[-1] in {"show", "resend"} else [] if command == ["user", "list"] else rest
    ran = goniec(tmp_path, *command, *rest, prot="1", timezone="Mars/Olympus")
    # of a difference, 1 says that there is one
    assert ran.returncode == (2 if command[-1] == "diff" else 1)
    first, second = ran.stderr.splitlines()
    assert first == "goniec: GONIEC_PROT is no setting; did you mean GONIEC_PORT?"
    assert second.startswith("goniec: GONIEC_TIMEZONE is 'Mars/Olympus': a name of the IANA time zone database")
    assert ran.stdout == ""
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["deliveries", "list"],
        ["deliveries", "show", "dlv_1"],
        ["deliveries", "resend", "dlv_1"],
        ["explain", "rul_1", "jan@example.com"],
        ["backup", "copy.db"],
        ["key", "create", "sklep"],
        ["messages", "export"],
    ],
    ids=" ".join,
)
def test_no_command_but_a_few_makes_a_database(tmp_path: Path, arguments: list[str]) -> None:
    ran = goniec(tmp_path, *arguments)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"goniec: there is no database at {tmp_path / 'goniec.db'}: set GONIEC_DATA_DIR")
    assert [*tmp_path.iterdir()] == []


def test_who_reads_only_the_start_gets_no_traceback(tmp_path: Path) -> None:
    assert goniec(tmp_path, "migrate").returncode == 0
    for n in range(5):
        assert goniec(tmp_path, "key", "create", f"key {n}").returncode == 0
    listing = subprocess.Popen(
        [*GONIEC, "doctor"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with listing:
        assert listing.stdout is not None
        listing.stdout.close()
        assert listing.stderr is not None
        assert listing.stderr.read() == ""
    assert listing.returncode == 1


def test_importing_the_door_imports_no_command() -> None:
    script = "import goniec.cli, sys; print([name for name in sys.modules if name.startswith('goniec.')])"
    ran = subprocess.run([GONIEC[0], "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['goniec.cli']"
