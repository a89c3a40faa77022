"""`goniec doctor`: looks for problems and says what to do about each; exit code 1 when there is one.

It reads, and changes nothing: a schema that is behind is told, not migrated, and no key file is made. The checks are in
`diagnosis`; here they are run in order and written down.
"""

import asyncio
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from cyclopts import Parameter

from goniec.cli.diagnosis import diagnose
from goniec.cli.finding import Finding
from goniec.cli.terminal import FAILED, printable, settings_in_force
from goniec.settings import SETTINGS, Settings


def doctor(*, json: Annotated[bool, Parameter(name="--json", negative=(), help="JSON instead of text")] = False) -> int:
    """Look for problems, and say what to do about each."""
    settings = settings_in_force()
    findings = asyncio.run(diagnose(settings))
    if json:
        told = {"settings": _in_force(settings), "findings": [msgspec.to_builtins(one) for one in findings]}
        print(msgspec.json.encode(told).decode())
    else:
        print("Settings in force")
        for name, value in _in_force(settings).items():
            shown = _plain(value) if name != "secret_key" or value else "none"
            print(printable(f"  {SETTINGS[name].variable:<24} {shown}"))
        print("\nChecks")
        for finding in findings:
            print(printable(_line(finding)))
    return FAILED if any(finding.problem for finding in findings) else 0


def _in_force(settings: Settings) -> dict[str, Any]:
    """Every setting as JSON has it; of the keys only how many there are."""
    values = {name: _value(getattr(settings, name)) for name in SETTINGS}
    return values | {"secret_key": len(settings.secret_key)}


def _value(value: object) -> object:
    match value:
        case None | str() | int():
            return value
        case ZoneInfo():
            return value.key
        case tuple():
            return [_value(part) for part in value]
        case _:
            # what has parts says itself which of them may be shown
            return str(value)


def _plain(value: object) -> str:
    match value:
        case None | []:
            return "none"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _line(finding: Finding) -> str:
    line = f"  {'PROBLEM' if finding.problem else 'ok     '}  {finding.check:<10} {finding.detail}"
    return line + (f"\n           → {finding.advice}" if finding.advice else "")
