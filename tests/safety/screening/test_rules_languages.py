"""The rule floor in five languages: its own examples, talk as people type it, and English left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from counsel.conversation import Message
from counsel.safety.screening.rules import TABLE, Concept, Hit, Rules, load
from counsel.safety.screening.screen import Screen
from counsel.safety.verdict import Level, Verdict

LANGUAGES = ("es", "fr", "de", "pt", "hi")
CONCEPTS = [c for c in load().concepts if c.language in LANGUAGES]
MARKERS = ("answers_yes", "taken_back", "safer_now", "asked_about_suicide", "asked_about_plan")
"""The marks that a conversation is followed by bear the same names in every language."""


def name(concept: Concept) -> str:
    return f"{concept.language}-{concept.id}"


def hits(text: str, rules: Rules | None = None) -> list[Hit]:
    rules = rules or load()
    return rules.hits(rules.reader.read(text))


def risky(found: list[Hit]) -> set[str]:
    return {h.concept.id for h in found if not h.excuse and h.concept.level and not h.concept.marker}


def verdict(*turns: str) -> Verdict:
    """The screen's word on turns of the user, with the assistant's between them where one begins with ``A:``."""
    said = [("assistant" if t.startswith("A:") else "user", t.removeprefix("A:")) for t in turns]
    return Screen(classify=None)([Message(role=role, content=text) for role, text in said])  # type: ignore[arg-type]


@pytest.mark.parametrize("concept", CONCEPTS, ids=name)
def test_the_examples_of_every_concept(concept: Concept) -> None:
    assert len(concept.match) >= 4 and len(concept.passes) >= 3
    for text in concept.match:
        assert concept.id in {h.concept.id for h in hits(text) if not h.excuse}, text
    for text in concept.passes:
        assert not risky(hits(text)), text
        assert not concept.marker or concept.id not in {h.concept.id for h in hits(text)}, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_covers_the_same_signs(language: str) -> None:
    there = {c.id.removeprefix(f"{language}_") for c in CONCEPTS if c.language == language}
    assert there == {c.id.removeprefix("es_") for c in CONCEPTS if c.language == "es"}
    assert there >= set(MARKERS)
    levels = {c.level for c in CONCEPTS if c.language == language and c.category == "suicide" and not c.marker}
    assert levels >= {Level.low, Level.moderate, Level.high, Level.imminent}


TALK = [
    ("no puedo más quiero morirme", "low"),
    ("no duermo no como no hablo con nadie me quiero matar", "moderate"),
    ("ME QUIERO MATAR!!", "moderate"),
    ("Hace diez años quise matarme y ahora han vuelto los pensamientos suicidas", "moderate"),
    ("mi hija de 15 dice que ya no quiere vivir", "moderate"),
    ("hola, tuve un mal día en el trabajo y estoy muy cansada", "none"),
    ("no voy a matarme ni nada por el estilo, solo necesitaba llorar", "none"),
    ("se murió mi abuela y la extraño muchísimo", "none"),
    ("ça va pas du tout en ce moment j'ai envie de mourir", "low"),
    ("ça va pas du tout en ce moment j’ai envie de mourir", "low"),
    ("j ai envie d en finir jpp", "moderate"),
    ("J’AI PRIS TOUTE LA BOÎTE DE CACHETS", "imminent"),
    ("je me suis disputée avec ma sœur et je pleure", "none"),
    ("je suis crevée après le boulot", "none"),
    ("mir gehts nicht gut, ich will nicht mehr leben", "low"),
    ("mir gehts nicht gut ich will mich umbringen", "moderate"),
    ("ich moechte nicht mehr leben", "low"),
    ("Ich weiß nicht weiter. Heute Nacht bringe ich mich um.", "imminent"),
    ("mein Opa ist gestorben und ich vermisse ihn", "none"),
    ("die Prüfung war der Tod, ich bin todmüde", "none"),
    ("nao to bem nao consigo dormir quero me matar", "moderate"),
    ("n aguento mais vc n entende quero sumir pra sempre", "low"),
    ("Apetece-me atirar-me da ponte", "moderate"),
    ("terminei o namoro e tô chorando o dia todo", "none"),
    ("meu cachorro morreu ontem", "none"),
    ("kuch accha nahi lagta bas marna chahta hu", "low"),
    ("मुझे कुछ अच्छा नहीं लगता, मैं मरना चाहता हूँ", "low"),
    ("मैं रोने लगा", "none"),
    ("aaj raat main apni jaan de dunga", "imminent"),
    ("exam mein fail ho gaya bahut dukhi hu", "none"),
    ("मेरी दादी गुज़र गईं, बहुत दुख है", "none"),
]


@pytest.mark.parametrize(("text", "level"), TALK, ids=[t for t, _ in TALK])
def test_as_people_type_it(text: str, level: str) -> None:
    found = verdict(text)
    assert found.level.name == level, [e.signal for e in found.evidence]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("A:¿Estás pensando en el suicidio?", "sí"),
        ("A:Est-ce que tu penses au suicide ?", "oui"),
        ("A:Denkst du an Suizid?", "manchmal"),
        ("A:Você está pensando em suicídio?", "às vezes"),
        ("A:Kya aap suicide ke baare mein soch rahe hain?", "haan"),
        ("A:क्या आप आत्महत्या के बारे में सोच रहे हैं?", "हाँ"),
    ],
)
def test_a_yes_to_the_question_counts(asked: str, answer: str) -> None:
    assert verdict("...", asked, answer).level is Level.moderate


@pytest.mark.parametrize(
    "text",
    [
        "mi hermana se quiere suicidar",
        "mon frère pense au suicide",
        "mein Sohn hat Suizidgedanken",
        "minha irmã quer se matar",
        "mera bhai suicide karna chahta hai",
    ],
)
def test_another_person_is_told_from_oneself(text: str) -> None:
    found = verdict(text)
    assert found.level >= Level.moderate and found.subject == "other"


def english_alone(folder: Path) -> Rules:
    shutil.copytree(TABLE, folder / "rules", ignore=shutil.ignore_patterns(*(f"{tag}.toml" for tag in LANGUAGES)))
    return load(folder / "rules")


def places(found: list[Hit]) -> list[tuple[str, int, int, str]]:
    return [(h.concept.id, h.start, h.end, h.excuse) for h in found if h.concept.language == "en"]


def test_english_reads_as_it_did_without_the_other_languages(tmp_path: Path) -> None:
    alone = english_alone(tmp_path)
    for concept in alone.concepts:
        for text in (*concept.match, *concept.passes):
            both = hits(text)
            assert places(both) == places(hits(text, alone)), text
            assert not risky([h for h in both if h.concept.language != "en"]), text


@pytest.mark.parametrize(
    "text",
    [
        "The war is over and the die is cast, no more, the tot sat in the den.",
        "Me and my pal Dan sat on a mat, so he ran to the bar and I hit the mar.",
        "We live in the U.S., e.g. in L.A., and it is the deadliest road of all.",
        "Main Street was in pain, sans rain; the chat was on par for the tour.",
        "Ja, oui, si, sim, haan: five ways to say yes in my language class.",
        "Comment on the gift: it is a grave, plus a quest, but a nice one.",
    ],
)
def test_english_words_that_are_words_elsewhere(text: str) -> None:
    assert not risky(hits(text))
