"""Every character as one plain character, so that case, accents, apostrophes, look-alikes and the like do not count.

Places never move, so that a span of the plain text is a span of the raw text.
"""

from __future__ import annotations

import unicodedata

GONE = "\x00"
"""Stands for a character without meaning, such as an invisible one or an accent written apart."""

_APOSTROPHES = "'’‘ʼʻʽʹˊˋ`´′‵ˈ＇ꞌ‛՚׳❛❜"
LOOK_ALIKES = {
    pair[0]: pair[1]
    for line in (
        "аa еe оo рp сc уy хx іi ѕs јj һh ԁd ɡg ԛq ԝw ьb вb кk мm нh тt гr пn иn зz ёe йn ӏl",
        "αa οo ρp νv κk ιi τt υu εe ηn ωw χx γy βb σo ϲc ϳj",
        "ℓl ıi ɪi ʀr ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz",
        "սu ոn օo ցg հh ɑa ʋu øo đd łl ħh ŧt",
    )
    for pair in line.split()
}
"""Letters of other scripts, each with the Latin letter that it looks like."""
_INDIC = range(0x0900, 0x0E00)
_ENCLOSED = {first + i: chr(97 + i) for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6) for i in range(26)}
_FILLERS = "\u115f\u1160\u3164\uffa0\u093c"
"""Letters that cannot be seen, and the dot below of Devanagari, which many leave out."""
_SPELT_ALIKE = {chr(0x0958 + i): c for i, c in enumerate("कखगजडढफय")} | {"ँ": "ं", "\u2800": " "}


class _Plain(dict[int, str]):
    """``str.translate`` asks this once for every character it has not met."""

    def __missing__(self, code: int) -> str:
        self[code] = made = _plain_character(chr(code))
        return made


def _plain_character(c: str) -> str:
    if c in _APOSTROPHES:
        return "'"
    if c.isascii():
        return c.lower()
    if ord(c) in _ENCLOSED:
        return _ENCLOSED[ord(c)]
    category = unicodedata.category(c)
    if c in _SPELT_ALIKE:
        return _SPELT_ALIKE[c]
    if c in _FILLERS or category == "Cf" or (category in ("Mn", "Me") and ord(c) not in _INDIC):
        return GONE
    base = unicodedata.normalize("NFKD", c)
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if base[0].isascii() and base[0].isprintable() and (len(base) == 1 or unicodedata.combining(base[1])):
        return base[0].lower()
    return c.lower() if len(c.lower()) == 1 else c


_TABLE = _Plain()


def plain(text: str) -> str:
    """``text`` in plain lower-case letters, of the same length, character for character."""
    return text.translate(_TABLE)
