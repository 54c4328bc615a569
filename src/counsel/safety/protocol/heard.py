"""What a message holds besides the screen's verdict: answers, refusals and their reasons, somebody named, wishes.

The phrases are in ``en.toml`` and ``es.toml``; here they are only looked for. One message may hold several things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from counsel.safety.protocol.phrasebook import BARRIERS, LANGUAGES, Phrasebook, load, normal, read_answer

_READ = 4000
"""In how many characters of a message a named person or a subject is looked for."""
_MOST_SUBJECT = 6
"""How many words of a subject are said back."""
_NAME = re.compile(r"[A-ZÁÉÍÓÚÑ][a-záéíóúñ'’-]+")
_END = re.compile(r"[.,;:!?\n…()\"“”¡¿]")


@dataclass(frozen=True, slots=True)
class Heard:
    """One message.

    Attributes:
        cues: which of the phrasebook's cues it holds.
        person: somebody near whom they named, in the words for speaking to them: ``your sister``, ``Anna``.
        subject: what they would rather talk about, said back to them: ``your sister``; empty where it was not said.
        feelings: which take-ups of the phrasebook fit, in its order.
    """

    cues: frozenset[str]
    person: str = ""
    subject: str = ""
    feelings: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """``yes``, ``no``, ``unsure``, or an empty string."""
        return next((a for a in ("unsure", "yes", "no") if a in self.cues), "")

    @property
    def barriers(self) -> tuple[str, ...]:
        """The reasons against help that are named, the plain refusal last."""
        return tuple(name for name in (*BARRIERS, "refuses") if name in self.cues)


def hear(text: str, language: str, *, about_people: bool) -> Heard:
    """Read a message.

    Args:
        text: the person's words.
        language: of the talk, ``en`` or ``es``; cues are read in both.
        about_people: whether they were asked for a person, so that a bare name is one.
    """
    words = load(language)
    cues = read_answer(text)
    return Heard(
        cues,
        person=_person(text[:_READ], words, about_people and not cues & {"alone", "no", "refuses"}),
        subject=_subject(text[:_READ], words) if "elsewhere" in cues else "",
        feelings=tuple(name for name, takeup in words.takeups.items() if takeup.fits(text)),
    )


def language_of(text: str) -> str:
    """``en`` or ``es``, whichever has more of its small words in the message; an empty string if neither has more."""
    said = normal(text[:_READ]).split()
    counts = {language: sum(w in load(language).lists["small"] for w in said) for language in LANGUAGES}
    best = max(counts, key=lambda language: counts[language])
    return best if list(counts.values()).count(counts[best]) == 1 else ""


def _person(text: str, words: Phrasebook, asked: bool) -> str:
    """Somebody near whom the message names, but nobody who does harm or is gone."""
    for clause in _END.split(text):
        said = clause.split()
        plain = [normal(w) for w in said]
        whole = f" {' '.join(plain)} "
        if any(f" {p} " in whole for p in words.lists["not_near"]):
            continue
        near = asked or any(f" {p} " in whole for p in words.lists["near"])
        for i, word in enumerate(plain):
            before = plain[i - 1] if i else ""
            mine = (
                before in words.lists["mine"] or (asked and before in words.lists["the"]) or word in words.lists["kin"]
            )
            if near and mine and word in words.lists["relations"]:
                return _called(said, plain, i, words) or words.your.format(word)
        if asked and len(said) <= 4 and not (set(plain) & set(words.lists["small"])):
            names = [w for w in said if _NAME.fullmatch(w)]
            relations = [w for w in plain if w in words.lists["relations"]]
            if names or relations:
                return names[0] if names else words.your.format(relations[0])
    return ""


def _called(said: list[str], plain: list[str], at: int, words: Phrasebook) -> str:
    """The name after a relation: ``my friend Anna``, ``my sister called kate``."""
    if at + 2 < len(said) and plain[at + 1] in words.lists["titles"]:
        return f"{said[at + 1].capitalize()} {said[at + 2].capitalize()}"
    behind = at + 2 if at + 1 < len(plain) and plain[at + 1] in words.lists["called"] else at + 1
    if behind >= len(said):
        return ""
    name = said[behind]
    after = plain[behind + 1] if behind + 1 < len(plain) else ""
    lower = (
        plain[behind].isalpha()
        and plain[behind] not in words.lists["small"]
        and (behind > at + 1 or after in words.lists["acts"])
    )
    return name.capitalize() if _NAME.fullmatch(name) or lower else ""


def _subject(text: str, words: Phrasebook) -> str:
    """What comes after "talk about", turned to the person: ``my sister`` becomes ``your sister``."""
    for clause in _END.split(text):
        said = clause.split()
        plain = [normal(w) for w in said]
        for phrase in (p.split() for p in words.lists["talk_about"]):
            for i in range(len(plain) - len(phrase)):
                if plain[i : i + len(phrase)] != phrase:
                    continue
                rest = said[i + len(phrase) :]
                while rest and normal(rest[-1]) in words.lists["trailing"]:
                    rest.pop()
                if not rest or len(rest) > _MOST_SUBJECT or normal(rest[0]) in words.lists["vague"]:
                    return ""
                return " ".join(words.turned.get(normal(w), w) for w in rest)
    return ""
