"""Which language a message is in: enough to know whether the rules can read it and which words to answer in.

English, Spanish, French, German, Portuguese and Hindi (both scripts) are told by their commonest words; scripts name
most others at once; the rest is asked of py3langid, which knows 97 languages. A message of a few words is taken for
the language it could be, and ``sure`` says whether that is more than a guess.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

READ = ("en", "es", "fr", "de", "pt", "hi", "hi-Latn")
"""The languages that the rules read."""
_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_WORDS = {tag: frozenset(words.split()) for tag, words in _TABLE["common"].items()}
_SCRIPTS = {
    "DEVANAGARI": "hi", "CYRILLIC": "ru", "ARABIC": "ar", "HEBREW": "he", "GREEK": "el", "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja",
    "CJK": "zh", "THAI": "th", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GUJARATI": "gu", "GURMUKHI": "pa", "KANNADA": "kn",
    "MALAYALAM": "ml", "GEORGIAN": "ka", "ARMENIAN": "hy", "ETHIOPIC": "am", "KHMER": "km", "LAO": "lo", "MYANMAR": "my", "SINHALA": "si",
}  # fmt: skip
_LOOKED_AT = 2000
_ENOUGH = 4
"""Words from which an unread language is believed."""
_SURE = 0.9


@dataclass(frozen=True, slots=True)
class Language:
    """A BCP 47 tag; whether the rules read it; whether that is sure."""

    tag: str
    read: bool
    sure: bool


@lru_cache(maxsize=1024)
def language_of(text: str) -> Language:
    """The language of a message; ``und`` where there is nothing to tell it by."""
    text = text[:_LOOKED_AT]
    scripts = Counter(_script(c) for c in text if c.isalpha())
    latin = scripts.pop("LATIN", 0)
    if scripts:
        script, count = scripts.most_common(1)[0]
        if scripts.get("HIRAGANA", 0) + scripts.get("KATAKANA", 0) > 0 and script == "CJK":
            script = "HIRAGANA"
        if count > latin and script in _SCRIPTS:
            tag = _SCRIPTS[script]
            if script in ("CYRILLIC", "ARABIC", "DEVANAGARI"):
                tag = _asked(
                    text,
                    {"CYRILLIC": "ru uk bg sr mk kk be", "ARABIC": "ar fa ur ps ug", "DEVANAGARI": "hi mr ne"}[script],
                    tag,
                )
            return Language(tag, tag in READ, count >= _ENOUGH)
    words = [w.replace("'", "") for w in re.findall(r"[a-z']+", _bare(text))]
    if not words:
        return Language("und", True, False)
    shares = {tag: sum(w in known for w in words) / len(words) for tag, known in _WORDS.items()}
    best = max(shares, key=lambda tag: shares[tag])
    if shares[best] >= 0.3 or len(words) < _ENOUGH:
        tag = best if shares[best] else "en"
        return Language(tag, True, len(words) >= _ENOUGH)
    tag, probability = _identifier().classify(text)
    if tag in READ or probability < _SURE:
        return Language(tag if tag in READ and probability >= _SURE else "en", True, False)
    return Language(tag, False, shares[best] < 0.2)


def _bare(text: str) -> str:
    return "".join(
        c for c in unicodedata.normalize("NFKD", text.lower().replace("’", "'")) if not unicodedata.combining(c)
    )


@lru_cache(maxsize=4096)
def _script(c: str) -> str:
    return "LATIN" if c.isascii() else unicodedata.name(c, "?").split()[0]


def _asked(text: str, among: str, otherwise: str) -> str:
    tag, probability = _identifier().classify(text)
    return tag if tag in among.split() and probability > _SURE else otherwise


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
