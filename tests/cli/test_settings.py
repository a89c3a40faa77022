"""Settings: what is understood, where it may stand, and what a person is told when it is wrong."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import certifi
import pytest

from goniec.settings import PREFIX, SETTINGS, Settings, SettingsError, local_url, read_settings


def read(folder: Path, **variables: str) -> Settings:
    return read_settings({PREFIX + name.upper(): value for name, value in variables.items()}, folder)


def faults(folder: Path, **variables: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(folder, **variables)
    return caught.value.faults


def test_nothing_at_all_gives_the_defaults(tmp_path: Path) -> None:
    settings = read_settings({"HOME": "/", "PATH": "/bin"}, tmp_path)
    assert settings.data_dir == tmp_path
    assert settings.database == tmp_path / "goniec.db"
    assert settings.key_file == tmp_path / "goniec.key"
    assert (settings.role, settings.host, settings.port) == ("all", "127.0.0.1", 8000)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.trusted_proxies, settings.allow_networks) == ((), ())
    assert (settings.secret_key, settings.ca_file) == ((), None)
    assert (settings.timezone.key, settings.language, settings.country) == ("Europe/Warsaw", "pl", "PL")
    assert (settings.retention_days, settings.dedup_days) == (90, 30)
    assert (settings.log_format, settings.log_level) == ("json", "info")


def test_a_person_at_a_terminal_gets_a_log_for_people(tmp_path: Path) -> None:
    assert read_settings({}, tmp_path, terminal=True).log_format == "console"
    assert read_settings({"GONIEC_LOG_FORMAT": "json"}, tmp_path, terminal=True).log_format == "json"


def test_the_table_and_the_settings_name_the_same_things() -> None:
    assert tuple(SETTINGS) == Settings.__struct_fields__
    assert all(name == setting.name and setting.about for name, setting in SETTINGS.items())


def test_an_empty_value_counts_as_none(tmp_path: Path) -> None:
    assert read(tmp_path, port="", ca_file="", secret_key="") == read_settings({}, tmp_path)


# --- which one wins --------------------------------------------------------------------------------------------------


def test_the_command_line_beats_the_environment_and_that_the_file(tmp_path: Path) -> None:
    (tmp_path / "goniec.toml").write_text('port = 1\nhost = "::1"\nlanguage = "en"\n')
    settings = read_settings({"GONIEC_PORT": "2", "GONIEC_HOST": "localhost"}, tmp_path, {"port": "3"})
    assert (settings.port, settings.host, settings.language) == (3, "localhost", "en")


def test_a_fault_on_the_command_line_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--port is 'x': a whole number"):
        read_settings({}, tmp_path, {"port": "x"})


def test_the_file_takes_names_in_full_and_in_short_numbers_and_lists(tmp_path: Path) -> None:
    (tmp_path / "goniec.toml").write_text(
        'goniec_port = 81\nretention_days = 7\nallow_networks = ["10.0.0.0/8", "::1"]\nca_file = ""\n'
    )
    settings = read_settings({}, tmp_path)
    assert (settings.port, settings.retention_days, settings.ca_file) == (81, 7, None)
    assert settings.allow_networks == (ip_network("10.0.0.0/8"), ip_network("::1"))


def test_the_file_of_the_data_folder_goes_before_that_of_the_current_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "goniec.toml").write_text("port = 1\n")
    assert read(tmp_path, data_dir="data").port == 1
    (data / "goniec.toml").write_text("port = 2\n")
    assert read(tmp_path, data_dir="data").port == 2


@contextmanager
def somebody_else(folder: Path) -> Iterator[None]:
    """Be somebody who may not look into the folder."""
    root = os.geteuid() == 0
    folder.chmod(0o700 if root else 0)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_looked_into_has_no_file(tmp_path: Path) -> None:
    (tmp_path / "goniec.toml").write_text("port = 1\n")
    with somebody_else(tmp_path):
        settings = read(tmp_path, data_dir="/")
    assert (settings.data_dir, settings.port) == (Path("/"), 8000)


def test_relative_paths_in_the_file_start_from_it(tmp_path: Path) -> None:
    conf, data = tmp_path / "conf", tmp_path / "conf" / "data"
    data.mkdir(parents=True)
    (conf / "goniec.toml").write_text('data_dir = "data"\ndatabase = "sqlite:///x.db"\n')
    settings = read_settings({}, conf)
    assert (settings.data_dir, settings.database) == (data, data / "x.db")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("port = ", "cannot be read"),
        ("port = true", "write a text, a whole number or a list of texts"),
        ("port = 1.5", "write a text, a whole number or a list of texts"),
        ("allow_networks = [1]", "write a text, a whole number or a list of texts"),
        ("[port]\nx = 1", "write a text, a whole number or a list of texts"),
        ("prot = 1", "is no setting; did you mean port?"),
        ("port = 1\ngoniec_port = 2", "given twice"),
        ("port = 70000", "port in "),
        ("port = 70000", "is '70000': a whole number from 0 to 65535 is expected"),
    ],
)
def test_what_is_wrong_in_the_file(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "goniec.toml").write_text(content)
    (fault,) = faults(tmp_path)
    assert said in fault
    assert str(tmp_path / "goniec.toml") in fault


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "goniec.toml").write_bytes(b"\xff\xfe")
    (fault,) = faults(tmp_path)
    assert "cannot be read" in fault


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("GONIEC_PROT", "did you mean GONIEC_PORT?"),
        ("GONIEC_ALLOWED_NETWORKS", "did you mean GONIEC_ALLOW_NETWORKS?"),
        ("GONIEC_RETENTION", "did you mean GONIEC_RETENTION_DAYS?"),
        ("GONIEC_port", "did you mean GONIEC_PORT?"),
        ("GONIEC_", "there are GONIEC_DATA_DIR, "),
        ("GONIEC_FLYING_CARPET", "there are GONIEC_DATA_DIR, "),
        ("GONIEC_PORT_8000_TCP_ADDR", "enableServiceLinks"),
        ("GONIEC_SERVICE_HOST", "enableServiceLinks"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(tmp_path: Path, variable: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: "secret value"}, tmp_path)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{variable} is no setting; ")
    assert said in fault
    assert "secret value" not in fault


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path, port="x", host="a b", timezone="Mars/Olympus", nonsense="1")) == 4


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("data_dir", "nowhere", "there is no such folder; make it first"),
        ("role", "web", "roles of their own need PostgreSQL; a file has one process"),
        ("role", "worker", "roles of their own need PostgreSQL; a file has one process"),
        ("role", "both", "all or web or worker is expected"),
        ("host", "localhost:80", "without a port"),
        ("host", "http://localhost", "without a port"),
        ("host", "300.1.1.1", "an address or name"),
        ("host", "-x", "an address or name"),
        ("port", "65536", "from 0 to 65535"),
        ("port", "-1", "from 0 to 65535"),
        ("port", "8e3", "from 0 to 65535"),
        ("port", "٨٠", "from 0 to 65535"),
        ("port", "tcp://10.0.0.1:8000", "enableServiceLinks"),
        ("public_url", "goniec.example.com", "a URL such as"),
        ("public_url", "ftp://goniec.example.com", "a URL such as"),
        ("public_url", "https://", "a URL such as"),
        ("public_url", "https://x.example/?a", "a URL such as"),
        ("public_url", "https://x.example/#a", "a URL such as"),
        ("public_url", "https://x.example:0", "a URL such as"),
        ("public_url", "https://x.example:99999", "a URL such as"),
        ("public_url", "https://x.example/ a", "a URL such as"),
        ("public_url", "https://[::1", "a URL such as"),
        ("trusted_proxies", "10.0.0.1/8", "'10.0.0.1/8' is an address within 10.0.0.0/8"),
        ("ca_file", "none.pem", "the file cannot be read (No such file or directory)"),
        ("timezone", "Mars/Olympus", "Europe/Warsaw or UTC"),
        ("timezone", "../etc/passwd", "Europe/Warsaw or UTC"),
        ("language", "de", "pl or en is expected"),
        ("country", "Polska", "two letters"),
        ("country", "XX", "two letters"),
        ("retention_days", "0", "from 1 to 36500"),
        ("dedup_days", "ten", "from 1 to 36500"),
        ("log_format", "xml", "console or json is expected"),
        ("log_level", "trace", "debug or info or warning or error is expected"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(tmp_path: Path, name: str, value: str, said: str) -> None:
    (fault,) = faults(tmp_path, **{name: value})
    assert fault.startswith(f"GONIEC_{name.upper()} is {value!r}: ")
    assert said in fault


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "this is no folder" in faults(tmp_path, data_dir="file")[0]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///x.db", "{data}/x.db"),
        ("sqlite:///sub/x.db", "{data}/sub/x.db"),
        ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
    ],
)
def test_where_the_database_lies(tmp_path: Path, url: str, expected: str) -> None:
    (tmp_path / "data").mkdir()
    settings = read(tmp_path, data_dir="data", database=url)
    assert str(settings.database) == expected.format(data=tmp_path / "data")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("goniec.db", "a URL is expected, such as sqlite:///goniec.db"),
        ("sqlite://x.db", "after three slashes"),
        ("sqlite:///", "after three slashes"),
        ("sqlite:///:memory:", "after three slashes"),
        ("sqlite:///x.db?mode=ro", "after three slashes"),
        ("mysql://u:hunter2@h/d", "mysql is no database that Goniec knows"),
        ("postgresql://u:hunter2@h/", "the database's name is missing"),
        ("postgresql://u:hunter2@h/a/b", "the database's name is missing"),
        ("postgres://u:hunt@er2@h/d?sslpassword=hunter2", "sslpassword is no option; there are host, passfile"),
        ("postgresql://u:hunt#er2@h/d", "a URL is expected, such as postgresql://user:password@host"),
        ("postgresql://u:hun/ter2@h/d", "in the user and the password, / is written %2F"),
        ("postgresql://u:12/hunter@h/d", "in the user and the password, / is written %2F"),
        ("postgresql://u:hunter2@h/d#x", "nothing may follow a #"),
        ("postgresql://u:hunter2@h:x/d", "a URL is expected, such as postgresql://user:password@host"),
    ],
)
def test_a_database_that_cannot_be(tmp_path: Path, url: str, said: str) -> None:
    (fault,) = faults(tmp_path, database=url)
    assert said in fault
    assert "hunt" not in fault


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hunter2@h/d", "postgresql://u@h/d"),
        ("postgres://u:hunt@er2@h:5433/d?sslmode=require&password=hunter2", "postgresql://u@h:5433/d"),
        ("postgresql://[::1]/d", "postgresql://[::1]/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///run/postgresql/d"),
    ],
)
def test_a_database_on_a_server_is_shown_without_what_opens_it(tmp_path: Path, url: str, shown: str) -> None:
    settings = read(tmp_path, database=url, secret_key="a" * 32)
    assert (str(settings.database), repr(settings.database)) == (shown, f"Postgres({shown!r})")
    assert "hunt" not in repr(settings)
    assert settings.key_file is None


def test_a_database_on_a_server_needs_a_secret_key(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, database="postgresql://u:hunter2@h/d")
    assert fault.startswith("GONIEC_SECRET_KEY is needed with PostgreSQL")
    assert "hunter2" not in fault


def test_user_and_password_in_a_url_do_not_show(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, public_url="https://jan:hunter2@goniec.example.com")
    assert "no user" in fault
    assert "hunter2" not in fault


def test_secret_keys(tmp_path: Path) -> None:
    settings = read(tmp_path, secret_key=f"{'a' * 32}, {'b' * 40}")
    assert [key.text for key in settings.secret_key] == ["a" * 32, "b" * 40]
    assert "aaaa" not in repr(settings)


@pytest.mark.parametrize("value", ["hunter2", f"{'a' * 32},", f"{'a' * 32},hunter2"])
def test_a_wrong_secret_key_is_never_shown(tmp_path: Path, value: str) -> None:
    (fault,) = faults(tmp_path, secret_key=value)
    assert fault.startswith("GONIEC_SECRET_KEY: each key has at least 32 characters")
    assert "hunter2" not in fault
    assert "aaaa" not in fault


def test_a_file_of_certificates(tmp_path: Path) -> None:
    assert read(tmp_path, ca_file=certifi.where()).ca_file == Path(certifi.where())
    shutil.copy(certifi.where(), tmp_path / "ca.pem")
    assert read(tmp_path, ca_file="ca.pem").ca_file == tmp_path / "ca.pem"
    for content in (b"", b"\x30\x82", b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"):
        (tmp_path / "ca.pem").write_bytes(content)
        assert "in PEM form" in faults(tmp_path, ca_file="ca.pem")[0]


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", 80, "http://127.0.0.1:80"),
        ("::1", 80, "http://[::1]:80"),
        ("0.0.0.0", 8000, "http://localhost:8000"),  # noqa: S104 - no socket listens in this test
        ("::", 8000, "http://localhost:8000"),
        ("goniec.local", 8000, "http://goniec.local:8000"),
    ],
)
def test_the_address_on_this_machine(tmp_path: Path, host: str, port: int, url: str) -> None:
    assert local_url(host, port) == url
    assert read(tmp_path, host=host, port=str(port)).public_url == url


def test_a_host_in_brackets_and_a_public_url_with_a_slash(tmp_path: Path) -> None:
    settings = read(tmp_path, host="[::1]", public_url="https://crm.example.com/goniec/")
    assert (settings.host, settings.public_url) == ("::1", "https://crm.example.com/goniec")


def test_a_country_in_small_letters(tmp_path: Path) -> None:
    assert read(tmp_path, country="de").country == "DE"


# --- A44 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("127.0.0.1", ["127.0.0.1/32"]),
        ("fd00::1", ["fd00::1/128"]),
        (" 10.0.0.0/8 , 127.0.0.0/8 ", ["10.0.0.0/8", "127.0.0.0/8"]),
        ("10.0.0.0/8,", ["10.0.0.0/8"]),
        ("10.0.0.0/255.0.0.0", ["10.0.0.0/8"]),
    ],
)
def test_a44_networks_that_are_understood(tmp_path: Path, value: str, networks: list[str]) -> None:
    settings = read(tmp_path, allow_networks=value)
    assert settings.allow_networks == tuple(map(ip_network, networks))


@pytest.mark.parametrize(
    ("value", "part", "said"),
    [
        ("127.0.0.0/8,10.1.2.3/8", "10.1.2.3/8", "write 10.0.0.0/8 for all of it or 10.1.2.3 for it alone"),
        ("*.corp", "*.corp", "names are not looked up"),
        ("127.0.0.0/8,hooks.corp", "hooks.corp", "names are not looked up"),
        ("127.0.0.0/8;10.0.0.0/8", "127.0.0.0/8;10.0.0.0/8", "no network"),
        ("10.0.0.0 /8", "10.0.0.0 /8", "no network"),
        ("10.0.0.0/33", "10.0.0.0/33", "no network"),
    ],
)
def test_a44_networks_that_are_refused_by_the_part(tmp_path: Path, value: str, part: str, said: str) -> None:
    (fault,) = faults(tmp_path, allow_networks=value)
    assert fault.startswith("GONIEC_ALLOW_NETWORKS is ")
    assert f": {part!r} is " in fault
    assert said in fault


def test_a_proxy_is_validated_and_shows_no_password(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, egress_proxy="https://u:hunter2@proxy.example:3128")
    assert "GONIEC_EGRESS_PROXY" in fault
    assert "http://host:3128" in fault
    assert "hunter2" not in fault
    settings = read(tmp_path, egress_proxy="http://u:hunter2@proxy.example:3128")
    assert settings.egress_proxy is not None
    assert "hunter2" not in repr(settings)
    assert read(tmp_path).egress_proxy is None


def test_a_mailbox_wants_its_address_and_shows_no_password(tmp_path: Path) -> None:
    url = "imaps://u:hunter2@mail.example/INBOX"
    (fault,) = faults(tmp_path, imap_url=url)
    assert "GONIEC_BOUNCE_ADDRESS is wanted beside GONIEC_IMAP_URL" in fault
    (fault,) = faults(tmp_path, imap_url="pop3://u:hunter2@mail.example", bounce_address="b@example.com")
    assert "hunter2" not in fault
    (fault,) = faults(tmp_path, bounce_address="a+b@example.com")
    assert "an address such as bounces@example.com is expected" in fault
    settings = read(tmp_path, imap_url=url, bounce_address="b@example.com")
    assert settings.bounce_address == "b@example.com"
    assert "hunter2" not in repr(settings)
    assert read(tmp_path, bounce_address="b@example.com").imap_url is None


def test_a_mail_server_wants_a_sender_and_shows_no_password(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, smtp_url="smtp://u:hunter2@mail.example")
    assert "GONIEC_MAIL_FROM" in fault
    (fault,) = faults(tmp_path, smtp_url="smtp://u:hunter2@mail.example/x", mail_from="g@example.com")
    assert "hunter2" not in fault
    settings = read(tmp_path, smtp_url="smtp://u:hunter2@mail.example", mail_from="g@example.com")
    assert settings.mail_from == "g@example.com"
    assert "hunter2" not in repr(settings)
    (fault,) = faults(tmp_path, mail_from="nobody")
    assert "an e-mail address is expected" in fault
