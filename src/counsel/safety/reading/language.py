"""Which language a message is in, to know whether the rules can read it and in which language to answer.

English, Spanish, French, German, Portuguese and Hindi (both scripts) are recognised by their commonest words, and most
others by their script. For the rest py3langid is asked, which knows 97 languages. A message of a few words is taken for
the language that it could be, and ``sure`` says whether that is more than a guess.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

READ = ("en", "es", "fr", "de", "pt", "hi", "hi-Latn")
"""The languages that the rules read."""
_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_WORDS = {tag: frozenset(words.split()) for tag, words in _TABLE["common"].items()}
_SCRIPTS = dict(
    pair.split(":")
    for pair in (
        "DEVANAGARI:hi CYRILLIC:ru ARABIC:ar HEBREW:he GREEK:el HANGUL:ko HIRAGANA:ja KATAKANA:ja CJK:zh THAI:th "
        "BENGALI:bn TAMIL:ta TELUGU:te GUJARATI:gu GURMUKHI:pa KANNADA:kn MALAYALAM:ml GEORGIAN:ka ARMENIAN:hy "
        "ETHIOPIC:am KHMER:km LAO:lo MYANMAR:my SINHALA:si TIBETAN:bo CHEROKEE:chr"
    ).split()
)
_SHARED = {"CYRILLIC": "ru uk bg sr mk kk be", "ARABIC": "ar fa ur ps ug", "DEVANAGARI": "hi mr ne"}
"""The languages of a script that py3langid can tell apart."""
_WORD = re.compile(r"(?<![\w'])[^\W\d_][^\W\d_']*(?!\w)")
_LOOKED_AT = 2000
_ENOUGH = 4
"""With at least this many words a language is believed, and with at least this many letters a script."""
_PART = 8
"""With this many letters of a script that the rules do not read, a message counts as only partly read."""
_KNOWN, _LIKELY = 0.5, 0.3
"""The shares of common words above which the language is certain, and is likely if nothing speaks against it."""
_FOREIGN = 0.1
"""Below this share, a sentence is in none of the languages whose common words are known."""
_SURE, _CERTAIN = 0.9, 0.99
"""The probabilities above which py3langid is believed: for a sentence, and for two or three words without accents."""


@dataclass(frozen=True, slots=True)
class Language:
    """A BCP 47 tag; whether the rules read all of the message; whether that is sure."""

    tag: str
    read: bool
    sure: bool


def language_of(text: str) -> Language:
    """The language of a message; ``und`` where there is nothing to tell it by."""
    return _language_of(text[:_LOOKED_AT])


@lru_cache(maxsize=1024)
def _language_of(text: str) -> Language:
    text = unicodedata.normalize("NFKC", text.encode("utf-8", "ignore").decode("utf-8"))
    scripts = Counter(s for word in re.findall(r"[^\W\d_]+", text) for s in _scripts(word))
    latin = scripts.pop("LATIN", 0)
    if scripts:
        script, count = scripts.most_common(1)[0]
        if script == "CJK" and scripts["HIRAGANA"] + scripts["KATAKANA"]:
            script = "HIRAGANA"
        tag = _SCRIPTS.get(script, "und")
        if sum(scripts.values()) > latin:
            tag = _asked(text, _SHARED[script], tag) if script in _SHARED else tag
            return Language(tag, tag in READ, count >= _ENOUGH)
        if tag not in READ and count >= _PART:
            return replace(_latin_language(text), read=False, sure=True)
    return _latin_language(text)


def _latin_language(text: str) -> Language:
    words = [w.replace("'", "") for w in _WORD.findall(_bare(text))]
    if not words:
        return Language("und", True, False)
    many = len(words) >= _ENOUGH
    shares = {tag: sum(w in known for w in words) / len(words) for tag, known in _WORDS.items()}
    best = max(shares, key=lambda tag: shares[tag])
    if shares[best] >= _KNOWN or (shares[best] and not many):
        return Language(best, True, many)
    tag, probability = _identifier().classify(text)
    accents = any(c.isalpha() and not c.isascii() for c in text)
    told = probability >= (_SURE if many or accents else _CERTAIN)
    no_other = len(words) >= 2 * _ENOUGH and shares[best] < _FOREIGN
    if tag not in READ and len(words) > 1 and (told or no_other):
        return Language(tag, False, True)
    if shares[best] >= _LIKELY:
        return Language(best, True, many)
    return Language(tag if tag in READ and probability >= _SURE else "en", True, False)


def _scripts(word: str) -> list[str]:
    """The script of each letter; a word most of which is Latin is wholly so, whatever letters hide in it."""
    found = [_script(c) for c in word]
    return ["LATIN"] * len(found) if 2 * found.count("LATIN") >= len(found) else found


def _bare(text: str) -> str:
    return "".join(
        c for c in unicodedata.normalize("NFKD", text.lower().replace("’", "'")) if not unicodedata.combining(c)
    )


@lru_cache(maxsize=4096)
def _script(c: str) -> str:
    name = "LATIN" if c.isascii() else unicodedata.name(c, "?").split()[0]
    return "LATIN" if name == "MODIFIER" else name


def _asked(text: str, among: str, otherwise: str) -> str:
    tag, probability = _identifier().classify(text)
    return tag if tag in among.split() and probability > _SURE else otherwise


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
