"""The settings: read once at start, from the command line, the environment and `goniec.toml`, the first that has one.

The commands call `read_settings` and hand the result down; no other room looks at the environment. What is wrong is
told all at once, each fault with the name, the value (never a secret) and what is expected. The documentation and
`goniec doctor` are held against the table `SETTINGS`.
"""

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from goniec.send.imap import MailboxServer, parse_bounce_address, parse_mailbox
from goniec.send.mail import MailServer, parse_sender, parse_server
from goniec.send.networks import SETTING as NETWORKS_SETTING
from goniec.send.networks import Networks, NotUnderstood, parse_networks
from goniec.send.proxy import Proxy, parse_proxy
from goniec.store.address import SCHEMES, Postgres

PREFIX: Final = "GONIEC_"
FILE: Final = "goniec.toml"

PORT_MAX: Final = 65_535
DAYS_MAX: Final = 36_500
SECRET_KEY_MIN: Final = 32

Role = Literal["all", "web", "worker"]
"""What this process does: `web` records, answers the API and shows the panel, `worker` delivers and keeps the house."""

Language = Literal["en", "pl"]
LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


_OPTION: Final = "--"


class Secret:
    """A text that does not show: a plain class, because a struct would print its fields."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Settings(Struct, frozen=True, kw_only=True):
    """What the operator decided.

    Paths are absolute. Port 0 means any free one. `public_url` has no slash at its end and is what was given, else what
    host and port come to. No `secret_key` means the key file beside the database; the first seals, all of them open.
    """

    data_dir: Path
    database: Path | Postgres
    role: Role
    host: str
    port: int
    public_url: str
    trusted_proxies: Networks
    secret_key: tuple[Secret, ...]
    allow_networks: Networks
    ca_file: Path | None
    egress_proxy: Proxy | None
    smtp_url: MailServer | None
    mail_from: str | None
    bounce_address: str | None
    imap_url: MailboxServer | None
    timezone: ZoneInfo
    language: Language
    country: str
    retention_days: int
    dedup_days: int
    log_format: LogFormat
    log_level: LogLevel

    @property
    def key_file(self) -> Path | None:
        """Where the key for stored secrets is kept unless `secret_key` is given: beside the database file.

        Several machines may share a server, so with one there is none.
        """
        return None if isinstance(self.database, Postgres) else self.database.with_suffix(".key")


class SettingsError(Exception):
    """Settings that cannot be used; `faults` are English sentences, one for each.

    `code` is what a command exits with: 2 where an option of the command line is among the faults, else 1.
    """

    def __init__(self, faults: list[str], *, usage: bool = False) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
        self.code = 2 if usage else 1


class Setting(Struct, frozen=True):
    """One setting: its default as one would write it (None: nothing, see `about`), and whether its value is secret."""

    name: str
    default: str | None
    about: str
    read: Callable[[str, Path], Any]
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()


class _Given(Struct, frozen=True):
    """A value, what to call the place where it stands, and the folder that relative paths there start from."""

    value: str
    place: str
    folder: Path


def read_settings(
    environ: Mapping[str, str], folder: Path, options: Mapping[str, str] | None = None, *, terminal: bool = False
) -> Settings:
    """Read the settings of a process that starts in `folder`; `options` are those of the command line, by name.

    An empty value counts as none at all. `terminal` says whether a person reads the log.

    Raises:
        SettingsError: something is unknown or makes no sense.

    """
    given: dict[str, _Given] = {}
    faults = [
        *_from_environment(environ, folder, given),
        *_from_options(options or {}, folder, given),
    ]
    start = Path(given["data_dir"].value) if "data_dir" in given else folder
    faults += _from_file(folder / start, folder, given)
    values: dict[str, Any] = {}
    for setting in SETTINGS.values():
        one = given.get(setting.name)
        if one is None:
            values[setting.name] = None if setting.default is None else setting.read(setting.default, folder)
            continue
        try:
            values[setting.name] = setting.read(one.value, one.folder)
        except ValueError as error:
            shown = "" if setting.secret else f" is {_masked(one.value)!r}"
            faults.append(f"{one.place}{shown}: {error}")
    if isinstance(values.get("database"), Postgres) and "secret_key" not in given:
        faults.append(
            f"{SETTINGS['secret_key'].variable} is needed with PostgreSQL: a text of at least {SECRET_KEY_MIN}"
            " characters, the same on each machine; `openssl rand -base64 32` makes one"
        )
    if "smtp_url" in given and "mail_from" not in given:
        faults.append("GONIEC_MAIL_FROM is wanted beside GONIEC_SMTP_URL: the address that mail is from")
    if "imap_url" in given and "bounce_address" not in given:
        faults.append("GONIEC_BOUNCE_ADDRESS is wanted beside GONIEC_IMAP_URL: whose mail the mailbox gets")
    role, database = given.get("role"), values.get("database")
    if role is not None and values.get("role") in {"web", "worker"} and not isinstance(database, Postgres | None):
        faults.append(
            f"{role.place} is {role.value!r}: roles of their own need PostgreSQL; a file has one process, all"
        )
    if faults:
        raise SettingsError(faults, usage=any(fault.startswith(_OPTION) for fault in faults))
    return _settle(values, terminal=terminal)


def local_url(host: str, port: int) -> str:
    """Give the address at which a server on this host and port is reached from the same machine."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared: listening everywhere includes this machine
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# --- where values come from ------------------------------------------------------------------------------------------


def _from_environment(environ: Mapping[str, str], folder: Path, given: dict[str, _Given]) -> list[str]:
    faults = []
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in SETTINGS or variable != SETTINGS[name].variable:
            faults.append(_unknown(variable, name, lambda known: known.variable))
        elif value:
            given[name] = _Given(value, variable, folder)
    return faults


def _from_options(options: Mapping[str, str], folder: Path, given: dict[str, _Given]) -> list[str]:
    for name, value in options.items():
        given[name] = _Given(value, f"{_OPTION}{name.replace('_', '-')}", folder)
    return []


def _from_file(start: Path, folder: Path, given: dict[str, _Given]) -> list[str]:
    path = next((path for path in (start / FILE, folder / FILE) if _is_there(path)), None)
    if path is None:
        return []
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        return [f"{path} cannot be read: {error}"]
    faults = []
    seen = set()
    for key, value in content.items():
        name, place = key.removeprefix(PREFIX.lower()), f"{key} in {path}"
        text = _as_text(value)
        if name not in SETTINGS:
            faults.append(_unknown(place, name, lambda known: known.name))
        elif name in seen:
            faults.append(f"{place}: it is given twice, with and without {PREFIX.lower()}")
        elif text is None:
            faults.append(f"{place}: write a text, a whole number or a list of texts")
        elif text:
            given.setdefault(name, _Given(text, place, path.parent))
        seen.add(name)
    return faults


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # sudo leaves its user in a folder of somebody else
        return False


def _as_text(value: object) -> str | None:
    match value:
        case bool():
            return None
        case str():
            return value
        case int():
            return str(value)
        case list() if all(isinstance(part, str) for part in value):
            return ",".join(value)
        case _:
            return None


def _unknown(place: str, name: str, spell: Callable[[Setting], str]) -> str:
    if place.startswith(PREFIX) and re.match(r"(port|service)_", name):
        return f"{place} is no setting; it looks like a service link of Kubernetes: set enableServiceLinks to false"
    close = get_close_matches(name, SETTINGS, n=1)
    hint = (
        f"did you mean {spell(SETTINGS[close[0]])}?"
        if close
        else f"there are {', '.join(map(spell, SETTINGS.values()))}"
    )
    return f"{place} is no setting; {hint}"


def _masked(value: str) -> str:
    """Take user and password out of what may be a URL, and a password out of its options."""
    return re.sub(r"(password=)[^&]*", r"\1…", re.sub(r"//.*@", "//…@", value, flags=re.DOTALL))


def _settle(values: dict[str, Any], *, terminal: bool) -> Settings:
    """Fill in what follows from the others."""
    if not isinstance(values["database"], Postgres):
        values["database"] = values["data_dir"] / values["database"]
    values["secret_key"] = values["secret_key"] or ()
    values["public_url"] = values["public_url"] or local_url(values["host"], values["port"])
    values["log_format"] = values["log_format"] or ("console" if terminal else "json")
    return Settings(**values)


# --- how each is read: the text as given and the folder where it stands; ValueError says what is expected ------------


def _data_dir(text: str, folder: Path) -> Path:
    path = (folder / text).absolute()
    if not path.is_dir():
        raise ValueError("there is no such folder; make it first" if not path.exists() else "this is no folder")
    return path


def _database(text: str, _folder: Path) -> Path | Postgres:
    example = (
        "sqlite:///goniec.db, sqlite:////var/lib/goniec/goniec.db with a path of its own, or"
        " postgresql://user:password@host/database"
    )
    scheme, colon, rest = text.partition("://")
    if not colon:
        raise ValueError(f"a URL is expected, such as {example}")
    if scheme in SCHEMES:
        return Postgres(text)
    if scheme != "sqlite":
        raise ValueError(f"{scheme} is no database that Goniec knows; write {example}")
    name = rest.removeprefix("/")
    if name == rest or not name or name.endswith("/") or name == ":memory:" or "?" in name or "\0" in name:
        raise ValueError(f"a file is expected after three slashes, and nothing behind it: {example}")
    return Path(name)


def _host(text: str, _folder: Path) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    if re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*", text) and not re.fullmatch(r"[\d.]+", text):
        return text
    raise ValueError("an address or name of this machine is expected, such as 127.0.0.1, 0.0.0.0 or ::, without a port")


def _port(text: str, _folder: Path) -> int:
    if text.startswith("tcp://"):
        raise ValueError("this is a service link of Kubernetes: set enableServiceLinks to false")
    return _number(0, PORT_MAX)(text, _folder)


def _public_url(text: str, _folder: Path) -> str:
    expected = "a URL such as https://goniec.example.com is expected: http or https, no user, no ? and no #"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    plain = re.fullmatch(r"[!-~]+", text) and not re.search(r"[?#@\\]", text)
    if not plain or parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError(expected)
    return text.rstrip("/")


def _networks(text: str, _folder: Path) -> Networks:
    found = parse_networks(text)
    if isinstance(found, NotUnderstood):
        raise ValueError(found.detail.removeprefix(f"{NETWORKS_SETTING}: "))  # noqa: TRY004 - the text is wrong, no type
    return found


def _secret_keys(text: str, _folder: Path) -> tuple[Secret, ...]:
    keys = tuple(Secret(part.strip()) for part in text.split(","))
    if any(len(key.text) < SECRET_KEY_MIN for key in keys):
        raise ValueError(
            f"each key has at least {SECRET_KEY_MIN} characters, several are separated by commas; "
            "`openssl rand -base64 32` makes one"
        )
    return keys


def _ca_file(text: str, folder: Path) -> Path:
    import ssl

    path = (folder / text).absolute()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError("a file with certificates in PEM form is expected") from None
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None
    return path


def _egress_proxy(text: str, _folder: Path) -> Proxy:
    return parse_proxy(text)


def _smtp_url(text: str, _folder: Path) -> MailServer:
    return parse_server(text)


def _mail_from(text: str, _folder: Path) -> str:
    return parse_sender(text)


def _bounce_address(text: str, _folder: Path) -> str:
    return parse_bounce_address(text)


def _imap_url(text: str, _folder: Path) -> MailboxServer:
    return parse_mailbox(text)


def _timezone(text: str, _folder: Path) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a name of the IANA time zone database is expected, such as Europe/Warsaw or UTC") from None


def _country(text: str, _folder: Path) -> str:
    import phonenumbers

    if text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(
            "the two letters of a country are expected, such as PL: phone numbers without a prefix are read there"
        )
    return text.upper()


def _number(least: int, most: int) -> Callable[[str, Path], int]:
    def read(text: str, _folder: Path) -> int:
        if re.fullmatch(r"\d{1,9}", text, re.ASCII) and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"a whole number from {least} to {most} is expected")

    return read


def _one_of(*words: str) -> Callable[[str, Path], str]:
    def read(text: str, _folder: Path) -> str:
        if text in words:
            return text
        raise ValueError(f"{' or '.join(words)} is expected")

    return read


SETTINGS: Final[dict[str, Setting]] = {
    setting.name: setting
    for setting in (
        Setting("data_dir", ".", "folder of the embedded database and the key file", _data_dir),
        Setting(
            "database",
            "sqlite:///goniec.db",
            "the database: a file, a relative one in the data folder; or a PostgreSQL server",
            _database,
        ),
        Setting(
            "role",
            "all",
            "what this process does: all; on PostgreSQL also web (API and panel) or worker (deliveries)",
            _one_of("all", "web", "worker"),
        ),
        Setting("host", "127.0.0.1", "address to listen on", _host),
        Setting("port", "8000", "port to listen on; 0 takes any free one", _port),
        Setting("public_url", None, "how others reach this Goniec; from host and port unless given", _public_url),
        Setting("trusted_proxies", "", "CIDRs whose X-Forwarded-For and Forwarded are believed", _networks),
        Setting(
            "secret_key",
            None,
            "encrypts stored secrets; a comma-separated list rotates; a key file beside the database file unless given",
            _secret_keys,
            secret=True,
        ),
        Setting("allow_networks", "", "CIDRs and addresses that webhooks may reach beside public ones", _networks),
        Setting("ca_file", None, "further certificate authorities, PEM; the system's alone unless given", _ca_file),
        Setting(
            "egress_proxy",
            None,
            "proxy for all that is sent, as http://user:password@host:3128; asked for checked addresses only",
            _egress_proxy,
            secret=True,
        ),
        Setting(
            "smtp_url",
            None,
            "mail server for all mail: smtp://user:password@host:587?starttls=required (auto, never), or smtps://",
            _smtp_url,
            secret=True,
        ),
        Setting("mail_from", None, "what mail is from that does not say; wanted beside GONIEC_SMTP_URL", _mail_from),
        Setting(
            "bounce_address",
            None,
            "where mail that cannot be delivered goes back to, as bounces@example.com; its server takes bounces+…@ too",
            _bounce_address,
        ),
        Setting(
            "imap_url",
            None,
            "that mailbox, which is for nothing else: imaps://user:password@host:993/INBOX, or imap:// with"
            " ?starttls=required (never)",
            _imap_url,
            secret=True,
        ),
        Setting("timezone", "Europe/Warsaw", "where days are counted", _timezone),
        Setting("language", "pl", "language of the panel", _one_of("pl", "en")),
        Setting("country", "PL", "where phone numbers without a prefix are at home", _country),
        Setting("retention_days", "90", "how long events, runs and deliveries are kept", _number(1, DAYS_MAX)),
        Setting("dedup_days", "30", "how long dedup keys are remembered", _number(1, DAYS_MAX)),
        Setting("log_format", None, "console on a terminal, else json, unless given", _one_of("console", "json")),
        Setting("log_level", "info", "the least important lines to log", _one_of("debug", "info", "warning", "error")),
    )
}
"""Every setting, in the order of the documentation."""
