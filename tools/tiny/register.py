"""How a user writes: contractions, lower case, long vowels, small typos (used by generate.py)."""

import re
from functools import cache
from random import Random

REGISTERS = ("careful", "chatty", "terse", "lower")
REGISTER_WEIGHTS = (0.42, 0.26, 0.12, 0.20)
START = r"(?:(?<=^)|(?<=[,.] )|(?<=\band )|(?<=\bbut )|(?<=\bso )|(?<=\bbecause )|(?<=\bthat )|(?<=\bwhen ))"
AUXILIARY = "[Dd]o|[Dd]oes|[Dd]id|[Hh]as|[Hh]ave|[Hh]ad|[Ii]s|[Aa]re|[Ww]as|[Ww]ere|[Cc]ould|[Ww]ould|[Ss]hould"
PARTICIPLE = "been|had|tried|never|always|already|felt|lost|got|said|told|known|made|done|[a-z]+ed"
CONTRACTIONS = tuple(
    (re.compile(pattern), short)
    for pattern, short in (
        (r"\b([Cc])annot\b", r"\1an't"),
        (r"\b([Ww])ill not\b", r"\1on't"),
        (rf"\b({AUXILIARY}) not\b", r"\1n't"),
        (START + r"I am(?= [a-z])", "I'm"),
        (START + rf"I have(?= (?:{PARTICIPLE})\b)", "I've"),
        (START + r"I will(?= [a-z])", "I'll"),
        (START + r"I would(?= (?:like|love|rather|feel|want)\b)", "I'd"),
        (START + r"([Ii]t|[Tt]hat|[Tt]here|[Hh]e|[Ss]he) is(?= [a-z])", r"\1's"),
        (START + r"([Ww]e|[Tt]hey|[Yy]ou) are(?= [a-z])", r"\1're"),
        (r"\b([Ww]hat|[Hh]ow|[Ww]here) is(?= (?:the|a|it|wrong)\b)", r"\1's"),
    )
)
DIGITS = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "ten": "10",
}
COUNTED = re.compile(rf"\b({'|'.join(DIGITS)})(?= (?:days|weeks|months|years|hours|times|minutes|people)\b)")
LONG_WORD = re.compile(r"\b[a-z]{5,}\b")


@cache
def contract(text: str) -> str:
    """The sentence with contractions, as in speech: "I do not know" becomes "I don't know"."""
    for pattern, short in CONTRACTIONS:
        text = pattern.sub(short, text)
    return text


@cache
def count_in_digits(text: str) -> str:
    """The sentence with "three weeks" written as "3 weeks"; users do so although the world does not."""
    return COUNTED.sub(lambda match: DIGITS[match[0]], text)


def with_filler(filler: str, text: str) -> str:
    """`filler` before `text`, which loses its capital unless it begins with I."""
    if text.startswith(("I ", "I'")):
        return filler + text
    return filler + text[:1].lower() + text[1:]


def _typo(rng: Random, text: str) -> str:
    words = list(LONG_WORD.finditer(text))
    if not words:
        return text
    word = words[int(rng.random() * len(words))]
    at = word.start() + 1 + int(rng.random() * (len(word[0]) - 2))
    kind = rng.random()
    if kind < 0.45:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind < 0.8:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at] + text[at:]


def finish(rng: Random, text: str, register: str) -> str:
    """The marks of a register on a whole message: case, last full stop, long vowels, slips."""
    if register == "careful":
        return text
    if register == "lower":
        text = text.lower()
        if text.endswith(".") or rng.random() < 0.3:
            text = text[:-1]
    elif register == "chatty" and rng.random() < 0.08:
        text = text[:-1] + (rng.choice(("!", "...", "!!")) if text.endswith(".") else "??")
    if " so " in text and rng.random() < 0.12:
        text = text.replace(" so ", rng.choice((" sooo ", " soo ", " soooo ")), 1)
    if rng.random() < 0.07:
        text = _typo(rng, text)
    return text
