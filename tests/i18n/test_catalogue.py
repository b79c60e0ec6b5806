"""The Simplified Chinese catalogue is complete, compiled, and says what the page means to say."""

from __future__ import annotations

import ast
import gettext
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import translation

from tests.cast import Cast

LANGUAGE = "zh_Hans"
CATALOGUE = Path("locale") / LANGUAGE / "LC_MESSAGES" / "django.po"
SOURCES = ("accounts", "billing", "demo", "marketplace", "templates")
GETTEXT = ("xgettext", "msguniq", "msgmerge")
# How a .mo file joins the context of a message to it.
CONTEXT_ENDS = "\x04"

FIELD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?) (".*")')
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|\{\w*\}")
TAG = re.compile(r"</?[a-z][^>]*>")
# Words of the interface that have no business on a Chinese page; names, units and API terms have.
ENGLISH = re.compile(
    r"\b(Sign in|Sign up|Sign out|Password|Email|Market|Catalogue|Requests?|Offers?|Agreements?|Price|Cards?"
    r"|card-h|Zone|Run|Runs|Menu|Close|Theme|Remember|Forgot|the|and|of|your)\b"
)


@pytest.fixture(autouse=True)
def language_of_the_other_tests() -> Iterator[None]:
    """A request leaves its language behind in the thread that answered it."""
    with translation.override(translation.get_language()):
        yield


@dataclass(frozen=True, slots=True)
class Entry:
    """One message; ``texts`` has one element, since Chinese has one plural form."""

    context: str
    message: str
    plural: str
    texts: tuple[str, ...]
    is_fuzzy: bool

    @property
    def key(self) -> str:
        return f"{self.context}{CONTEXT_ENDS}{self.message}" if self.context else self.message


def entries_of(path: Path) -> list[Entry]:
    """Every entry of a .po file but its header; an obsolete one is a comment and does not count."""
    blocks = re.split(r"\n[ \t]*\n", path.read_text(encoding="utf-8"))
    return [entry for entry in map(_entry, blocks) if entry.message]


def _entry(block: str) -> Entry:
    fields: dict[str, str] = {}
    name = flags = ""
    for line in block.splitlines():
        if line.startswith("#"):
            flags += line.removeprefix("#,") if line.startswith("#,") else ""
        elif found := FIELD.fullmatch(line):
            name = found[1]
            fields[name] = ast.literal_eval(found[2])
        elif line:
            fields[name] += ast.literal_eval(line)
    return Entry(
        context=fields.get("msgctxt", ""),
        message=fields.get("msgid", ""),
        plural=fields.get("msgid_plural", ""),
        texts=tuple(text for name, text in fields.items() if name.startswith("msgstr")),
        is_fuzzy="fuzzy" in flags,
    )


@cache
def catalogue() -> list[Entry]:
    return entries_of(settings.BASE_DIR / CATALOGUE)


def compiled() -> Iterator[tuple[str, str]]:
    with (settings.BASE_DIR / CATALOGUE).with_suffix(".mo").open("rb") as file:
        messages = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    for key, text in messages.items():
        if key:
            yield (key[0] if isinstance(key, tuple) else key), text


def test_every_message_is_translated() -> None:
    entries = catalogue()

    assert len(entries) > 1000
    assert [each.key for each in entries if not each.texts or not all(each.texts)] == []
    assert [each.key for each in entries if each.is_fuzzy] == []


def test_no_message_is_there_twice() -> None:
    keys = [each.key for each in catalogue()]

    assert len(keys) == len(set(keys))


def test_what_is_compiled_is_what_is_written() -> None:
    """A fresh machine has no gettext, so the .mo file is committed with the .po file."""
    written = {each.key: each.texts[0] for each in catalogue()}

    assert dict(compiled()) == written, "run: python manage.py compilemessages"


def test_every_message_of_the_sources_is_in_the_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = [name for name in GETTEXT if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} of GNU gettext not installed: nothing to read the sources with")
    unread = shutil.ignore_patterns("node_modules", "static", "__pycache__", "*.csv", "*.json", "*.parquet")
    for name in SOURCES:
        shutil.copytree(settings.BASE_DIR / name, tmp_path / name, ignore=unread)
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)

    with override_settings(LOCALE_PATHS=[tmp_path / "locale"]):
        call_command("makemessages", locale=[LANGUAGE], no_location=True, verbosity=0)

    used = {each.key for each in entries_of(tmp_path / CATALOGUE)}
    known = {each.key for each in catalogue()}
    assert used - known == set(), "run: python manage.py makemessages -l zh_Hans --no-location, translate"
    assert known - used == set(), "no page says this any more; take it out of the catalogue"


def test_what_is_filled_in_is_the_same_in_both_languages() -> None:
    def filled_in(text: str) -> set[str]:
        return set(PLACEHOLDER.findall(text)) - {"%%"} | set(TAG.findall(text))

    wrong = {
        each.message: each.texts[0]
        for each in catalogue()
        if filled_in(each.plural or each.message) != filled_in(each.texts[0])
    }
    assert wrong == {}


def test_a_message_that_stands_alone_has_no_space_around_it() -> None:
    def edges(text: str) -> tuple[bool, bool, bool]:
        return text[:1].isspace(), text[-1:].isspace(), text[-1:] == "\n"

    assert [each.key for each in catalogue() if edges(each.message) != edges(each.texts[0])] == []


def words_of(page: str) -> str:
    """What a person reads or hears: the text and the spoken attributes."""
    body = re.sub(r"<(script|style|template)\b.*?</\1>", " ", page, flags=re.DOTALL)
    # The other language is offered in its own words.
    body = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>', " ", body, flags=re.DOTALL)
    spoken = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', body)
    return " ".join([*spoken, re.sub(r"<[^>]*>", " ", body)])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", ["/", "/accounts/login/", "/accounts/signup/", "/catalogue/", "/market/runs/"]
)
def test_a_chinese_page_speaks_no_english(client: Client, now: datetime, address: str) -> None:
    answer = client.get(address, headers={"Accept-Language": "zh-hans"})
    words = words_of(answer.content.decode())

    assert answer.status_code == 200
    assert '<html lang="zh-hans"' in answer.content.decode()
    assert sorted({found[0] for found in ENGLISH.finditer(words)}) == []
    assert "登录" in words


def test_a_buyer_reads_its_pages_in_chinese(cast: Cast, client: Client, now: datetime) -> None:
    client.force_login(cast.buyer_trader)

    for address in ("/", "/requests/new/", "/requests/", "/agreements/"):
        page = client.get(address, headers={"Accept-Language": "zh-hans"}).content.decode()
        assert sorted({found[0] for found in ENGLISH.finditer(words_of(page))}) == [], address
        assert "晨光智能" in page


def test_a_refusal_is_in_the_language_of_who_asked(cast: Cast, client: Client, now: datetime) -> None:
    client.force_login(cast.buyer_viewer)
    answer = client.get("/requests/new/", headers={"Accept-Language": "zh-hans"})

    assert answer.status_code == 403
    assert "您的角色不允许此操作" in answer.content.decode()
