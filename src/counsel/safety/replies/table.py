"""Reads ``replies.toml``, the table of what a model must not say, and compiles its phrases."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from counsel.errors import CounselError
from counsel.safety.reading.phrases import Phrases
from counsel.safety.replies.reader import ReplyReader, undo_contractions
from counsel.safety.verdict import CATEGORIES, KINDS, Action, Category, Kind, Remedy

TABLE = Path(__file__).with_name("replies.toml")
LANGUAGES = ("en", "es")
QUOTED = "quoted"
"""The guard that pardons what stands between quotation marks."""
ASKED = "asked"
"""The guard that pardons what stands in a question."""
_KEYS = frozenset("id kind phrases together unless guards when echoed action".split())
_ACTIONS = get_args(Action)


@dataclass(frozen=True, slots=True)
class Ban:
    """One row of the table: what must not be said.

    Attributes:
        id: its name, ``kind.what``.
        kind: of its findings.
        action: what happens to the sentence.
        guards: the names of the phrases that make it harmless when they stand before it in the same clause.
        when: it counts only if the person's verdict has one of these categories; empty for always.
        echoed: whether it is harmless where the person used its last word themselves.
        groups: how many groups of phrases must all stand in the sentence; 0 where one phrase is enough.
    """

    id: str
    kind: Kind
    action: Remedy
    guards: tuple[str, ...]
    when: frozenset[Category]
    echoed: bool
    groups: int


@dataclass(frozen=True)
class KindWords:
    """The words that replace a sentence of one kind and those that end an answer, by language."""

    action: Remedy
    safe: Mapping[str, tuple[str, ...]]
    fallback: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """The table, compiled.

    Attributes:
        bans: its rows.
        kinds: the words for each kind.
        endings: how a fallback goes on, by the verdict's action and the language.
        phrases: all phrases in one matcher.
        roles: for each phrase what it is: ``("bad" | "group 0" | … | "unless", row's number)``,
            ``("guard", name)``, ``("cancel", "")``.
        reader: cuts text into the words that the phrases are made of.
    """

    bans: tuple[Ban, ...]
    kinds: Mapping[Kind, KindWords]
    endings: Mapping[str, Mapping[str, tuple[str, ...]]]
    phrases: Phrases
    roles: tuple[tuple[str, int | str], ...]
    reader: ReplyReader


@lru_cache(maxsize=4)
def read_table(path: Path = TABLE) -> Table:
    """The table at ``path``.

    Raises:
        CounselError: when it cannot be read, or a row of it is wrong; the message names the row.
    """
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise CounselError(f"the table of replies cannot be read: {e}", where=path, fix="see docs/replies.md") from e
    try:
        kinds = {kind: _kind_words(kind, body["kinds"].get(kind), path) for kind in KINDS}
        endings = {a: {lang: tuple(body["endings"][a][lang]) for lang in LANGUAGES} for a in _ACTIONS}
        lists = {k: tuple(map(undo_contractions, v)) for k, v in body["lists"].items()}
        bans = tuple(_ban(row, kinds, body["guards"], path) for row in body["ban"])
        cancel = tuple(body["cancel"]["phrases"])
    except KeyError as e:
        raise CounselError(f"the table of replies lacks {e}", where=path, fix="see docs/replies.md") from e
    written: list[str] = []
    roles: list[tuple[str, int | str]] = []

    def add(phrases: Sequence[str], role: str, of: int | str) -> None:
        written.extend(map(undo_contractions, phrases))
        roles.extend([(role, of)] * len(phrases))

    for i, row in enumerate(body["ban"]):
        add(row.get("phrases", ()), "bad", i)
        for n, group in enumerate(row.get("together", ())):
            add(group, f"group {n}", i)
        add(row.get("unless", ()), "unless", i)
    for name, phrases in body["guards"].items():
        add(phrases, "guard", name)
    add(cancel, "cancel", "")
    matcher = Phrases(written, lists)
    return Table(bans, kinds, endings, matcher, tuple(roles), ReplyReader(frozenset(matcher.vocabulary)))


def _kind_words(kind: str, words: Any, path: Path) -> KindWords:
    fix = "give it an action, and safe and fallback texts in en and es"
    if not isinstance(words, dict) or words.get("action") not in get_args(Remedy):
        raise CounselError(f"the kind {kind} has an action that is not known", where=path, fix=fix)
    safe = {lang: tuple(words["safe"][lang]) for lang in LANGUAGES}
    if any(len(set(v)) < 3 for v in safe.values()):
        raise CounselError(f"the kind {kind} needs three safe sentences in each language", where=path, fix=fix)
    return KindWords(words["action"], safe, {lang: str(words["fallback"][lang]) for lang in LANGUAGES})


def _ban(row: Mapping[str, Any], kinds: Mapping[Kind, KindWords], guards: Mapping[str, Any], path: Path) -> Ban:
    name, kind = row["id"], row["kind"]
    wrong = sorted(set(row) - _KEYS)
    if kind not in KINDS:
        wrong.append(f"kind {kind}")
    wrong += [f"guard {g}" for g in row.get("guards", ()) if g not in guards and g not in (QUOTED, ASKED)]
    wrong += [f"category {c}" for c in row.get("when", ()) if c not in CATEGORIES]
    action: Any = row.get("action") or (kinds[kind].action if kind in kinds else "")
    if action not in get_args(Remedy):
        wrong.append(f"action {action}")
    if wrong or bool(row.get("phrases")) == bool(row.get("together")):
        raise CounselError(
            f"the row {name} is wrong: {', '.join(wrong) or 'it needs phrases or together'}",
            where=path,
            fix="see docs/replies.md",
        )
    return Ban(
        name,
        kind,
        action,
        guards=tuple(row.get("guards", ())),
        when=frozenset(row.get("when", ())),
        echoed=bool(row.get("echoed", False)),
        groups=len(row.get("together", ())),
    )
