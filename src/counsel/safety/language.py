"""Which language a message is in: enough to know whether the rules can read it and which words to answer in.

English, Spanish, French, German, Portuguese and Hindi (both scripts) are told by their commonest words; scripts name
most others at once; the rest is asked of py3langid, which knows 97 languages. A message of a few words is taken for
the language it could be, and ``sure`` says whether that is more than a guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

READ = ("en", "es", "fr", "de", "pt", "hi", "hi-Latn")
"""The languages that the rules read."""
_COMMON = {
    "en": "the and to of a in is it you that i my me was for on are with he she they we be have this not so but just im dont like what "
          "do at can about because feel no all if when been get want am its up out really know how or had as would from who need "
          "there them think going even his her after one over still more than will were never only cant then now time should "
          "could why some did make got has any back our day people into by go lol ok please help hi hello thanks",
    "es": "que de la el en y a los se un por con no una su para es lo como mas pero sus le ya o este si porque esta entre cuando muy sin "
          "sobre tambien me hasta hay donde quien desde todo nos durante todos uno les ni contra otros ese eso yo del las al mi tengo "
          "estoy siento quiero nada vida puedo soy ha mis te tu estas ayer hoy gracias hola casa trabajo nunca siempre",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se je il elle ce mon ma mes j suis ai me avec "
          "tout mais ou nous vous ils on sont cette comme moi fait d c m n l y etre si leur sans tres tu te toi bonjour merci rien "
          "veux peux jamais toujours depuis parce vie encore meme",
    "de": "der die und in den von zu das mit sich des auf fur ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird "
          "bei einer um am sind noch wie einem uber ich mich mir mein meine bin habe du wir so aber nur oder wenn kann mehr immer "
          "nichts will war weil keine kein mal schon jetzt heute gestern hallo danke leben",
    "pt": "de a o que e do da em um para com nao uma os no se na por mais as dos como mas ao ele das seu sua ou quando muito nos ja eu "
          "tambem so pelo pela ate isso ela entre depois sem mesmo aos seus quem nas me esse eles voce essa num nem suas meu minha "
          "estou tenho quero sinto nada vida tudo sou ser foi esta to pra oi obrigado obrigada hoje ontem sempre nunca",
    "hi-Latn": "hai main mujhe nahi kya ka ki ke se ho mein aur koi bhi mera meri raha rahi kar tha thi bahut kuch ab yeh woh hoon hu "
               "apne apni nahin mai mere ko toh sab kuchh kabhi jab tak sirf pata lagta lag rha rhi gaya gayi karta karti chahta "
               "chahti jeena marna zindagi yaar bhai ghar log hain tum aap kyun kaise abhi phir agar lekin par kal aaj",
}  # fmt: skip
_WORDS = {tag: frozenset(words.split()) for tag, words in _COMMON.items()}
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
                tag = _asked(text, {"CYRILLIC": "ru uk bg sr mk kk be", "ARABIC": "ar fa ur ps ug", "DEVANAGARI": "hi mr ne"}[script], tag)
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
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower().replace("’", "'")) if not unicodedata.combining(c))


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
