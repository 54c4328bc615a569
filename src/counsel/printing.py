"""Characters that a terminal cannot show are replaced, and never end a command: a helpline may follow them."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

NEAR = "counsel.near"
"""The name of the codec error handler."""
_NEAREST = str.maketrans(
    {
        "—": "-", "–": "-", "‑": "-", "‐": "-", "−": "-", "…": "...", "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"',
        "„": '"', "«": '"', "»": '"', "•": "*", "·": "*", "→": "->", "←": "<-", "×": "x", "≥": ">=", "≤": "<=",
        "⁄": "/",
        "€": "EUR", "£": "GBP", "¿": "?", "¡": "!", "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o",
        "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "│": "|", "─": "-", "╭": "+", "╮": "+", "╰": "+",
        "╯": "+", "┃": "|", "━": "-", "█": "#", "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ",
    }
)  # fmt: skip


def speak_any_encoding() -> None:
    """Have standard output and error show every word that they can, and standard input hear UTF-8 in any locale.

    Where the locale is not UTF-8, bytes that are not UTF-8 are read as Latin-1, so that a person is heard either way.
    """
    codecs.register_error(NEAR, near)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=NEAR)
    if isinstance(sys.stdin, io.TextIOWrapper) and codecs.lookup(sys.stdin.encoding).name != "utf-8":
        sys.stdin.reconfigure(encoding="utf-8", errors=NEAR)


def near(error: UnicodeError) -> tuple[str, int]:
    """What stands in the place of characters that cannot be encoded, or of bytes that cannot be decoded."""
    if isinstance(error, UnicodeEncodeError):
        said = error.object[error.start : error.end]
        return "".join(_nearest(c, error.encoding) for c in said), error.end
    if isinstance(error, UnicodeDecodeError):
        return error.object[error.start : error.end].decode("latin-1"), error.end
    raise error


def _nearest(character: str, encoding: str) -> str:
    """A similar character, a digit's value, a letter without its accent, or else a question mark."""
    if unicodedata.combining(character):
        return ""
    digit = unicodedata.digit(character, None)
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    for candidate in (character.translate(_NEAREST), "" if digit is None else str(digit), plain.translate(_NEAREST)):
        try:
            candidate.encode(encoding)
        except UnicodeEncodeError:
            continue
        if candidate:
            return candidate
    return "?"
