"""The assistant's two manners: plain advice, and counseling (reflect, then one open question). Used by generate.py."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random

from world import SPEAKER, Next, Topic, capitalize, resolve, second_person, slots_in

PLAIN_WORDS = (25, 60)
COUNSELING_WORDS = (15, 40)
# How advice begins that is no bare imperative, and a second command that could not follow "to".
NOT_IMPERATIVE = re.compile(
    r"(?:An?|As|At|After|Before|By|Do|During|Each|Even|Every|For|From|If|In|Instead|It|Maybe|Most|Never|No|Not|On|Once|One"
    r"|Only|Perhaps|Small|Sometimes|That|The|There|This|To|Until|When|While|With|Your?)\b"
    r"|.*(?:[.?!] |\b(?:and|but|or|so) do not\b|, do not\b)"
)
Phrases = Mapping[str, Sequence[str]]


@dataclass(slots=True)
class Scene:
    """One conversation's topic, slot values, the feeling the user named, and what has been said."""

    topic: Topic
    values: dict[str, str]
    known: frozenset[str]
    named: str
    used: set[str] = field(default_factory=set)
    addressed: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.addressed = {name: second_person(value) for name, value in self.values.items()}


def pick(rng: Random, texts: Sequence[str]) -> str:
    """One of `texts`; quicker than rng.choice."""
    return texts[int(rng.random() * len(texts))]


@cache
def _fitting(texts: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    """The texts that use no slot the user has not filled and do not speak of us."""
    fit = tuple(text for text in texts if slots_in(text) <= known and not SPEAKER.search(text))
    return fit or texts


@cache
def infinitive(advice: str) -> bool:
    """Whether the advice is a bare imperative, so that it can follow "You could"."""
    return not NOT_IMPERATIVE.match(advice)


def say(rng: Random, scene: Scene, texts: tuple[str, ...]) -> str:
    """One text for the user, not yet used in this conversation where possible, with its slots filled."""
    fit = _fitting(texts, scene.known)
    for _ in range(6):
        text = pick(rng, fit)
        if text not in scene.used:
            break
    scene.used.add(text)
    return resolve(text, scene.addressed)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def count_words(text: str) -> int:
    """The number of words as white space divides them."""
    return len(text.split())


class PlainManner:
    """A short lead-in, two or three pieces of advice, at times a closing encouragement."""

    def __init__(self, phrases: Phrases) -> None:
        self.phrases = phrases

    def reply(self, rng: Random, scene: Scene, follow: Next | None) -> str:
        """The reply to the user's first message, or to the later turn `follow`."""
        opening = self._follow_lead(rng, scene, follow) if follow else self._lead(rng, scene)
        advice = self._advice(rng, scene, follow)
        text = self._join(rng, advice)
        closing = pick(rng, self.phrases["closing"]) if rng.random() < 0.3 else ""
        low, high = PLAIN_WORDS
        if opening and count_words(text) + count_words(opening) <= high:
            text = f"{opening} {text}"
        if closing and count_words(text) + count_words(closing) <= high:
            text = f"{text} {closing}"
        while count_words(text) < low:
            extra = pick(rng, self.phrases["closing"])
            if extra not in text:
                text = f"{text} {extra}"
        return text

    def _lead(self, rng: Random, scene: Scene) -> str:
        draw = rng.random()
        if draw < 0.42:
            text = say(rng, scene, scene.topic.why)
        elif draw < 0.58:
            text = pick(rng, self.phrases["acknowledge"])
        elif draw < 0.76 and scene.named:
            text = pick(rng, self.phrases["acknowledge_feeling"]).replace("{f}", scene.named)
        elif draw < 0.88:
            thing = capitalize(say(rng, scene, scene.topic.thing))
            text = pick(rng, self.phrases["acknowledge_thing"]).replace("{T}", thing)
        else:
            text = ""
        if rng.random() < 0.25:
            text = f"{text} {pick(rng, self.phrases['lead'])}".strip()
        return capitalize(text)

    def _follow_lead(self, rng: Random, scene: Scene, follow: Next) -> str:
        draw = rng.random()
        if draw < 0.45:
            return f"It sounds like {say(rng, scene, follow.mirror)}."
        if draw < 0.85:
            return pick(rng, self.phrases["acknowledge_next"])
        return ""

    def _advice(self, rng: Random, scene: Scene, follow: Next | None) -> list[str]:
        """Two or three pieces; for a later turn that turn's own come first."""
        if follow is None:
            return self._distinct(rng, scene, scene.topic.advice, 3 if rng.random() < 0.45 else 2)
        pieces = self._distinct(rng, scene, follow.advice, 2)
        if len(follow.advice) > 2 and rng.random() < 0.4:
            pieces += self._distinct(rng, scene, follow.advice, 1)
        return list(dict.fromkeys(pieces))

    def _distinct(self, rng: Random, scene: Scene, texts: tuple[str, ...], count: int) -> list[str]:
        fit = [text for text in _fitting(texts, scene.known) if text not in scene.used] or list(texts)
        chosen = rng.sample(fit, min(count, len(fit)))
        scene.used.update(chosen)
        return [resolve(text, scene.addressed) for text in chosen]

    def _join(self, rng: Random, advice: list[str]) -> str:
        scene_style = rng.random()
        sentences = []
        used: set[str] = set()
        last = len(advice) - 1
        for at, text in enumerate(advice):
            place = "first" if at == 0 else "last" if at == last and at == 2 else "more"
            share = 0.55 if at == 0 else 0.7
            if scene_style < 0.15 or rng.random() > share:
                sentences.append(text)
                continue
            bare = infinitive(text)
            pool = self.phrases[place + "_infinitive" if bare and rng.random() < 0.6 else place]
            pattern = pick(rng, pool)
            repeats = "could" in pattern and any("could" in done for done in sentences)
            if pattern in used or repeats or (pattern == "Try to ~" and text.startswith("Try")):
                sentences.append(text)
                continue
            used.add(pattern)
            sentences.append(pattern.replace("~", _lower(text)))
        return " ".join(sentences)


class CounselingManner:
    """One or two short sentences that reflect, then exactly one open question."""

    def __init__(self, phrases: Phrases) -> None:
        self.phrases = phrases

    def reply(self, rng: Random, scene: Scene, follow: Next | None) -> str:
        """The reply to the user's first message, or to the later turn `follow`."""
        low, high = COUNSELING_WORDS
        text = ""
        for _ in range(12):
            if follow:
                reflection = self._follow_reflection(rng, scene, follow)
                question = say(rng, scene, follow.question)
            else:
                reflection = self._reflection(rng, scene)
                question = say(rng, scene, scene.topic.questions)
            text = f"{reflection} {capitalize(question)}"
            if low <= count_words(text) <= high:
                break
        return text

    def _mirror(self, rng: Random, scene: Scene, feeling: str) -> str:
        """A mirror clause that does not name `feeling` again."""
        for _ in range(4):
            clause = say(rng, scene, scene.topic.mirror)
            if not feeling or not any(word in clause for word in feeling.split(" and ")):
                break
        return clause

    def _sentence(self, rng: Random, kind: str, mirror: str = "", feeling: str = "", thing: str = "") -> str:
        text = pick(rng, self.phrases[kind]).replace("{f}", feeling)
        text = text.replace("{m}", mirror).replace("{M}", capitalize(mirror))
        return text.replace("{t}", thing).replace("{T}", capitalize(thing))

    def _reflection(self, rng: Random, scene: Scene) -> str:
        named = scene.named
        feeling = named or pick(rng, scene.topic.feelings)
        kind = "named" if named else "tentative"
        draw = rng.random()
        if draw < (0.36 if named else 0.24):
            return self._sentence(rng, kind + "_joint", self._mirror(rng, scene, feeling), feeling)
        if draw < (0.7 if named else 0.46):
            mirror = self._sentence(rng, "mirror", self._mirror(rng, scene, feeling))
            return f"{self._sentence(rng, kind, feeling=feeling)} {mirror}"
        mirror = self._sentence(rng, "mirror", self._mirror(rng, scene, ""))
        if draw < 0.8:
            return mirror
        if draw < 0.9:
            return f"{self._sentence(rng, 'thing', thing=say(rng, scene, scene.topic.thing))} {mirror}"
        return f"{pick(rng, self.phrases['neutral'])} {mirror}"

    def _follow_reflection(self, rng: Random, scene: Scene, follow: Next) -> str:
        first = say(rng, scene, follow.mirror)
        text = self._sentence(rng, "mirror", first)
        if rng.random() < 0.35:
            second = say(rng, scene, follow.mirror)
            if second != first:
                text = f"{text} {capitalize(second)}."
        return text
