"""`goniec messages`: what is exported is what is applied, what differs is shown, and what is wrong is found by its line."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.cli import run
from goniec.cli.messages import KEYS, _canonical, _document
from goniec.cli.yaml_in import documents
from goniec.core.messages import MessageDraft, read_draft
from goniec.store.sqlite import open_store
from tests.cli.commands import call, goniec, serving
from tests.postbox import postbox

ID = "msg_01KAX7Z6K33FQ2M8VD00000000"
OTHER = "msg_01KAX7Z6K33FQ2M8VD00000001"
WELCOME = f"""\
id: {ID}
name: Welcome
transactional: false
from: Shop <shop@example.com>
subject: Hello {{{{ contact.name }}}}
html: |
  <p>Hello</p>
  <p>Żółw</p>
"""

Told = tuple[int, str, str]


class Terminal:
    """A folder with a database, and what commands say in it: their code, standard output and standard error."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Told:
        self._capsys.readouterr()
        code = run(["messages", *arguments])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    def write(self, name: str, text: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    def held(self) -> list[tuple[str, str, int]]:
        async def read() -> list[tuple[str, str, int]]:
            store = open_store(self.folder / "goniec.db", server=False)
            try:
                return [(one.id, one.name, one.version) for one in await store.queries.messages()]
            finally:
                await store.close()

        return asyncio.run(read())


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    for name in os.environ:
        if name.startswith("GONIEC_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    assert run(["migrate"]) == 0
    return Terminal(tmp_path, capsys)


def test_a24_what_is_applied_five_times_is_one_message(messages: Terminal) -> None:
    file = messages.write("welcome.yaml", WELCOME)
    assert messages("apply", file) == (0, f"created    {ID}  Welcome\n", "")
    for _ in range(4):
        assert messages("apply", file) == (0, f"unchanged  {ID}  Welcome\n", "")
    assert messages.held() == [(ID, "Welcome", 1)]


def test_what_is_exported_is_what_was_applied(messages: Terminal) -> None:
    odd = f'id: {OTHER}\nname: "Tak: 2"\ntransactional: true\nsubject: "no"\ntext: "a\\r\\n\\x85 b"\n'
    messages("apply", messages.write("a.yaml", f"{odd}---\n{WELCOME}"))
    for _ in range(2):
        assert messages("export", "b.yaml") == (0, "", "Messages in b.yaml: 2.\n")
        assert messages("diff", "b.yaml") == (0, "", "")
    text = (messages.folder / "b.yaml").read_text()
    assert text.startswith(f"{WELCOME}---\n")
    assert "unchanged" in messages("apply", "b.yaml")[1]
    ran = goniec(messages.folder, "messages", "export")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, text, "")


def test_diff_shows_what_apply_would_do_and_says_so_by_its_code(messages: Terminal) -> None:
    file = messages.write("welcome.yaml", WELCOME)
    code, out, _ = messages("diff", file)
    assert (code, out) == (
        1,
        "--- /dev/null\n+++ welcome.yaml\n@@ -0,0 +1,8 @@\n" + "".join(f"+{line}\n" for line in WELCOME.splitlines()),
    )
    assert messages("apply", "--dry-run", file) == (0, f"to create  {ID}  Welcome\n", "")
    assert messages.held() == []
    messages("apply", file)
    messages.write("welcome.yaml", "# ours\n" + WELCOME.replace("Żółw", "Ryś").replace("false", "true"))
    code, out, _ = messages("diff", file)
    assert code == 1
    assert out.startswith(f"--- {ID} (version 1)\n+++ welcome.yaml\n@@ ")
    assert [line for line in out.splitlines()[3:] if line[0] != " "] == [
        "-transactional: false",
        "+transactional: true",
        "-  <p>Żółw</p>",
        "+  <p>Ryś</p>",
    ]
    assert messages("apply", "--dry-run", file)[1] == f"to change  {ID}  Welcome (transactional, html)\n"
    assert messages("apply", file)[1] == f"changed    {ID}  Welcome (transactional, html)\n"
    assert messages("diff", file) == (0, "", "")


def test_what_no_file_has_is_named_and_stays(messages: Terminal) -> None:
    messages("apply", messages.write("welcome.yaml", WELCOME))
    file = messages.write("other.yaml", WELCOME.replace(ID, OTHER).replace("Welcome", "Other"))
    assert messages("diff", file)[2] == f"Messages here that no file has: Welcome ({ID}).\n"
    messages("apply", file)
    assert [name for _, name, _ in messages.held()] == ["Welcome", "Other"]


def test_a_mistake_in_one_file_keeps_all_back(messages: Terminal) -> None:
    messages.write("mails/a.yaml", WELCOME)
    messages.write("mails/b/c.yml", f"id: {OTHER}\n# ours\nname: Other\nsubjetc: x\ntext: |\n  a\n  {{% if %}}\n")
    messages.write("mails/b/d.yaml", "name: New\nsubject: s\ntext: t\n---\n- 1\n")
    code, out, err = messages("apply", "mails")
    told = [line.removeprefix("goniec: mails/b/") for line in err.splitlines()]
    assert (code, out) == (2, "")
    assert told[0] == "c.yml:1: subject: is required"
    assert told[1].startswith("c.yml:4: subjetc: unknown key (did you mean subject?)")
    assert told[2].startswith("c.yml:7: text: line 2: ")
    assert told[3].startswith("d.yaml:1: id: is required: a new message may take msg_")
    assert told[4:] == ["d.yaml:5: Expected object"]
    assert messages.held() == []
    assert messages("diff", "mails")[0] == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "x.yaml: there is nothing in it"),
        (b"# later\n---\n", "x.yaml: there is nothing in it"),
        (b"name: [", "x.yaml:2: is no YAML: "),
        (b"a: 1\nname: \xb3\xf3d\xbc", "x.yaml:2: is not UTF-8"),
        (WELCOME.encode("utf-16"), "x.yaml:1: is not UTF-8"),
        (b"a: &a [1]\nb: [*a, *a]", "x.yaml:1: anchors (&x) and aliases (*x) are not taken"),
        (b"name: !!python/name:os.system x", "x.yaml:1: tags (!x) are not taken"),
        (b"name: a\nname: b", "x.yaml:2: the key name stands here twice"),
        (b"just words", "x.yaml:1: Expected object"),
        (f"id: {ID}\nname: 12\nsubject: s\ntext: t".encode(), "x.yaml:2: name: Expected text, got whole number"),
        (f"id: {ID}\nname: a\nsubject: s\ntext: t\ntransactional: no".encode(), "x.yaml:5: transactional: Expected"),
        (f"{WELCOME}---\n{WELCOME}".encode(), "x.yaml:10: id: the document of “Welcome” before it has this id, too"),
        (WELCOME.replace(ID, "msg_1").encode(), "x.yaml:1: id: is no id of a message"),
        (b'"\\e[1mq": 1', "x.yaml:1: \\x1b[1mq: unknown key"),
        (b'"\\e": 1\n"\\e": 2', "x.yaml:2: the key \\x1b stands here twice"),
    ],
)
def test_files_that_cannot_be_taken(messages: Terminal, content: bytes, told: str) -> None:
    messages.write("x.yaml", content)
    for command in ("apply", "diff"):
        code, out, err = messages(command, "x.yaml")
        assert (code, out) == (2, "")
        assert err.startswith(f"goniec: {told}")
    assert messages.held() == []


def test_files_that_are_not_there(messages: Terminal) -> None:
    (messages.folder / "empty").mkdir()
    messages.write("empty/.git/a.yaml", WELCOME)
    assert messages("apply", "empty") == (2, "", "goniec: empty has no files that end in .yaml or .yml\n")
    assert messages("apply", "none.yaml") == (2, "", "goniec: none.yaml cannot be read: No such file or directory\n")
    assert messages("apply")[2].startswith("goniec: FILES is missing")
    assert messages("export", "none/a/b.yaml")[0] == 0
    messages.write("file", "")
    assert messages("export", "file/b.yaml") == (1, "", "goniec: file/b.yaml cannot be written: File exists\n")
    assert messages("export", "file")[2] == "goniec: file cannot be read: Not a directory\n"


def test_a_file_may_be_too_long(messages: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goniec.cli.as_code.FILE_LIMIT", 100)
    assert messages("apply", messages.write("a.yaml", WELCOME))[0] == 2


def test_the_same_file_given_twice_is_one(messages: Terminal) -> None:
    messages.write("mails/a.yaml", WELCOME)
    assert messages("apply", "mails", "mails/a.yaml", "./mails")[1].count(ID) == 1


def test_a_folder_keeps_its_files_whatever_they_are_called(messages: Terminal) -> None:
    third = "msg_01KAX7Z6K33FQ2M8VD00000002"
    names = {ID: "Zażółć, gęślą!", OTHER: "zazolc gesla", third: "!!!"}
    texts = [WELCOME.replace(ID, id).replace("Welcome", f'"{name}"') for id, name in names.items()]
    messages("apply", messages.write("all.yaml", "---\n".join(texts)))
    code, out, err = messages("export", "mails")
    files = ["mails/zazolc-gesla.yaml", "mails/zazolc-gesla-000001.yaml", f"mails/{third.lower()}.yaml"]
    assert (code, out.splitlines()) == (0, files)
    assert err == "Messages in mails: 3; files written: 3.\n"
    assert messages("export", "mails")[1] == ""
    (messages.folder / "mails/zazolc-gesla.yaml").rename(messages.folder / "mails/powitanie.yaml")
    commented = texts[1].replace("transactional: false\n", "").replace("subject:", "# short\nsubject:")
    messages.write("mails/zazolc-gesla-000001.yaml", commented)
    messages.write("mails/docker.yaml", "services: {}\n")
    messages.write("mails/old.yaml", WELCOME.replace(ID, "msg_01KAX7Z6K33FQ2M8VD00000009"))
    messages("apply", messages.write("change.yaml", texts[0].replace("Hello {{", "Witaj {{")))
    code, out, err = messages("export", "mails")
    assert out == "mails/powitanie.yaml\n"
    assert "mails/old.yaml is left alone: there is no message msg_01KAX7Z6K33FQ2M8VD00000009 here." in err
    assert "Witaj" in (messages.folder / "mails/powitanie.yaml").read_text()
    assert (messages.folder / "mails/zazolc-gesla-000001.yaml").read_text() == commented
    assert not (messages.folder / "mails/zazolc-gesla.yaml").exists()


def test_no_name_is_too_long_for_a_file(messages: Terminal) -> None:
    messages("apply", messages.write("a.yaml", WELCOME.replace("Welcome", "\U00010480" * 60)))
    (file,) = messages("export", "mails")[1].splitlines()
    assert len(Path(file).name.encode()) == 205
    assert messages("diff", "mails") == (0, "", "")


def test_what_stands_with_others_in_a_file_is_kept_with_them(messages: Terminal) -> None:
    old = WELCOME.replace(ID, OTHER).replace("Welcome", "Old")
    messages("apply", messages.write("change.yaml", WELCOME.replace("Hello {{", "Witaj {{")))
    messages.write("mails/two.yaml", f"{old}---\n{WELCOME}")
    assert messages("export", "mails")[:2] == (0, "mails/two.yaml\n")
    assert (messages.folder / "mails/two.yaml").read_text() == f"{old}---\n{WELCOME.replace('Hello {{', 'Witaj {{')}"
    mixed = messages.write("mails/two.yaml", f"a: 1\n---\n{WELCOME}")
    told = f"goniec: {mixed} holds something else beside what has changed: give each a file of its own\n"
    assert messages("export", "mails") == (1, "", told)
    messages.write("mails/two.yaml", "a: [")
    assert messages("export", "mails")[2].startswith("goniec: mails/two.yaml:2: is no YAML")


def test_diff_is_never_1_for_what_it_could_not_look_at(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(WELCOME)
    ran = goniec(tmp_path, "messages", "diff", "a.yaml")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "there is no database at" in ran.stderr
    ran = goniec(tmp_path, "messages", "diff", "a.yaml", timezone="Mars/Olympus")
    assert ran.returncode == 2


def test_a_running_server_sends_what_is_applied(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(WELCOME)
    with postbox() as box:
        mail = {"smtp_url": f"smtp://127.0.0.1:{box.port}?starttls=never", "mail_from": "shop@example.com"}
        with serving(tmp_path, **mail) as (_, url):
            key = goniec(tmp_path, "key", "create", "ci", "--scope", "admin").stdout.strip()
            assert goniec(tmp_path, "messages", "apply", "a.yaml").returncode == 0
            send = {"type": "sendEmail", "message": ID}
            rule = {"name": "r", "active": True, "triggers": [{"type": "contact.created"}], "actions": [send]}
            call(url, key, "POST", "/rules", rule)
            for n, greeting in enumerate(("Hello", "Welcome back"), 1):
                file.write_text(WELCOME.replace("Hello {{", f"{greeting} {{{{"))
                assert goniec(tmp_path, "messages", "apply", "a.yaml").returncode == 0
                call(url, key, "POST", "/contacts", {"email": f"jan{n}@example.com", "name": "Jan"})
                while len(box.letters) < n:
                    time.sleep(0.02)  # until the server has handed it in
    assert [letter["Subject"] for letter in box.letters] == ["Hello Jan", "Welcome back Jan"]


TEMPLATES = st.text(
    st.one_of(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{%"), st.sampled_from("\n\r\t :#'\"")),
    min_size=1,
    max_size=50,
).filter(lambda text: bool(text.strip()))


@given(TEMPLATES, TEMPLATES, st.booleans())
def test_any_message_comes_back_as_it_was(html: str, text: str, transactional: bool) -> None:  # noqa: FBT001 - hypothesis's
    draft = read_draft(
        {"id": ID, "name": "a", "subject": "b", "html": html, "text": text, "transactional": transactional}
    )
    (one,) = documents(_document(draft))
    assert read_draft(one.value) == draft
    assert _canonical(one.value) == _document(draft)


def test_no_key_is_forgotten() -> None:
    assert {*KEYS.values()} == {*MessageDraft.__struct_fields__} - {"version", "created_at", "updated_at"}
