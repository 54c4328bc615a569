"""Raw text to plain words, each with its place in the raw text, however it was typed.

``plain`` maps every character to one character, so places never move: case, accents, apostrophes, full-width and
mathematical letters, look-alikes, invisible characters. ``Reader`` then cuts words and mends those that were
hidden or misspelt towards the words that the rules know: letters apart, digits and signs for letters, stars,
stretched and run-together words, slips of one letter. It takes time linear in the length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

GONE = "\x00"
"""Stands where a character means nothing: invisible ones, accents written apart."""

_APOSTROPHES = "'’‘ʼʹ`´′ˈ＇ꞌ‛՚׳"
_LOOK_ALIKES = {
    pair[0]: pair[1]
    for line in (
        "аa еe оo рp сc уy хx іi ѕs јj һh ԁd ɡg ԛq ԝw ьb вb кk мm нh тt гr пn иn зz ёe йn ӏl",
        "αa οo ρp νv κk ιi τt υu εe ηn ωw χx γy βb σo ϲc ϳj",
        "ℓl ıi ɪi ʀr ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz",
        "սu ոn օo ցg հh ɑa ʋu øo đd łl ħh ŧt",
    )
    for pair in line.split()
}
_INDIC = range(0x0900, 0x0E00)
_ENCLOSED = {**{0x1F170 + i: chr(97 + i) for i in range(26)}, **{0x1F150 + i: chr(97 + i) for i in range(26)},
             **{0x1F130 + i: chr(97 + i) for i in range(26)}, **{0x1F1E6 + i: chr(97 + i) for i in range(26)}}  # fmt: skip


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
    if category == "Cf" or (category in ("Mn", "Me") and ord(c) not in _INDIC):
        return GONE
    base = unicodedata.normalize("NFKD", c)
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if base[0].isascii() and base[0].isprintable() and (len(base) == 1 or unicodedata.combining(base[1])):
        return base[0].lower()
    return c.lower() if len(c.lower()) == 1 else c


_TABLE = _Plain()


def plain(text: str) -> str:
    """``text`` in lower-case plain letters, the same length character for character."""
    return text.translate(_TABLE)


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the rules read it.

    Attributes:
        text: plain and mended.
        start: of its characters in the raw text.
        end: behind them.
        turn: the message that it stands in.
        sentence: counts on at every sentence end.
        clause: counts on at commas, dashes, brackets and line ends too.
        quoted: whether it stands between quotation marks.
    """

    text: str
    start: int
    end: int
    turn: int = 0
    sentence: int = 0
    clause: int = 0
    quoted: bool = False


_CHUNK = re.compile(r"\S+")
_PLAIN_WORD = re.compile(r"([a-z]+)(?:'([a-z]*))?([.,!?;:]*)\Z")
_PIECE = re.compile(r"[^\W_]+|[^\w\s]|_")
_LEET = str.maketrans("013457@$!|8", "oieastasiib")
_ENDS, _PAUSES = ".!?…。！？।", ",;:()[]–—\n،、，"
_QUOTES = '"“”„«»「」'
_STARRED = re.compile(r"[*#%$@!\-_.]")
_STRETCHED = re.compile(r"(.)\1{2,}")
_LONGEST_WORD = 40
_TELLING = frozenset("kill die dead dying hurt suicide".split())
"""Words run together are cut apart when one of these or of the keys is among them."""
_JOINED = 4
"""Letters that a run of single letters must have to be read as a word that was spaced out."""


class Reader:
    """Cuts raw text into words and mends them.

    Args:
        vocabulary: every word that the rules know; mending leads to these alone.
        keys: those of them in which a slip of one letter is mended.
        typos: common misspellings and what they stand for.
        real: ordinary words that look like a slip in a key and are none.
        emoji: a word for each emoji that the rules know.
    """

    def __init__(
        self,
        vocabulary: Iterable[str],
        keys: Sequence[str] = (),
        typos: Mapping[str, str] | None = None,
        real: Iterable[str] = (),
        emoji: Mapping[str, str] | None = None,
    ) -> None:
        self.vocabulary = frozenset(vocabulary)
        self.typos, self.emoji = dict(typos or {}), dict(emoji or {})
        self._longest = max((len(w) for w in self.vocabulary), default=0)
        self._telling = frozenset(keys) | _TELLING
        self._slips: dict[str, str] = {}
        self._starred: dict[str, str] = {}
        known = self.vocabulary | set(real) | set(self.typos)
        for key in keys:
            for slip in _slips(key):
                if slip not in known:
                    self._slips.setdefault(slip, key)
        for word in sorted(self.vocabulary):
            for starred in _starred(word):
                self._starred.setdefault(starred, word)
        self._mend = lru_cache(maxsize=20_000)(self._mend_word)

    def read(self, text: str, turn: int = 0, sentence: int = 0, clause: int = 0) -> list[Word]:
        """The words of one message, numbering sentences and clauses on from the given ones."""
        words: list[Word] = []
        quoted = False
        lowered = plain(text)
        line = 0
        for chunk in _CHUNK.finditer(lowered):
            start, end = chunk.span()
            if (breaks := lowered.count("\n", line, start)) and words:
                clause += 1
                sentence += breaks > 1
            line = end
            body = chunk.group()
            match = _PLAIN_WORD.match(body)
            if match and len(body) <= _LONGEST_WORD:
                word = match[1] + (match[2] or "")
                mended = word if word in self.vocabulary else self._mend(word)
                for piece in mended.split(" "):
                    words.append(Word(piece, start, end - len(match[3]), turn, sentence, clause, quoted))
                if match[3]:
                    sentence += any(c in ".!?" for c in match[3]) and "..." not in match[3]
                    clause += 1
                continue
            sentence, clause, quoted = self._cut(body, start, turn, (sentence, clause, quoted), words)
        return self._joined(words)

    def _cut(
        self, body: str, at: int, turn: int, state: tuple[int, int, bool], words: list[Word]
    ) -> tuple[int, int, bool]:
        """Cut a chunk that is more than letters; adds to ``words``."""
        sentence, clause, quoted = state
        begin, stop = 0, len(body)
        while begin < stop and not (body[begin].isalnum() or body[begin] in "$@*" or body[begin] in self.emoji):
            if body[begin] in _QUOTES:
                quoted = not quoted
            elif body[begin] in _PAUSES:
                clause += 1
            begin += 1
        tail = stop
        while tail > begin and not (body[tail - 1].isalnum() or unicodedata.category(body[tail - 1])[0] == "M"
                                    or body[tail - 1] in self.emoji):  # fmt: skip
            tail -= 1
        core = body[begin:tail]
        whole = self._whole(core) if core and len(core) <= _LONGEST_WORD else None
        if whole:
            for piece in whole.split(" "):
                words.append(Word(piece, at + begin, at + tail, turn, sentence, clause, quoted))
        else:
            for match in _PIECE.finditer(core):
                piece = match.group().replace(GONE, "")
                s, e = at + begin + match.start(), at + begin + match.end()
                if piece in self.emoji:
                    words.append(Word(self.emoji[piece], s, e, turn, sentence, clause, quoted))
                elif piece and piece[0].isalnum():
                    for part in self._mend(_latin(piece)[:_LONGEST_WORD]).split(" "):
                        words.append(Word(part, s, e, turn, sentence, clause, quoted))
                elif piece and piece in _ENDS and core[match.end() : match.end() + 1] != piece:
                    sentence, clause = sentence + 1, clause + 1
                elif piece and piece in _PAUSES:
                    clause += 1
        for c in body[tail:]:
            quoted ^= c in _QUOTES
        rest = body[tail:]
        if any(c in _ENDS for c in rest) and ("..." not in rest and "…" not in rest or "?" in rest):
            sentence, clause = sentence + 1, clause + 1
        elif any(c in _PAUSES or c == "-" for c in rest) or rest.startswith(".."):
            clause += 1
        return sentence, clause, quoted

    @lru_cache(maxsize=20_000)  # noqa: B019 - a process has one reader a table
    def _whole(self, core: str) -> str | None:
        """The word that a chunk with signs in it stands for, or None where it is several words."""
        bare = core.replace(GONE, "")
        if bare.isalpha() or (bare.replace("'", "").isalpha() and "'" in bare):
            return self._mend(_latin(bare.replace("'", "")))
        if bare in self.emoji:
            return self.emoji[bare]
        if bare.isdigit():
            return bare
        for candidate in (bare.translate(_LEET), bare.translate(str.maketrans("1", "l")).translate(_LEET)):
            word = _latin(candidate.replace("'", ""))
            if word.isalpha() and word != bare and (mended := self._known(word)):
                return mended
        if bare in self._starred:
            return self._starred[bare]
        masked = _STARRED.sub("*", bare)
        if masked in self._starred:
            return self._starred[masked]
        letters = re.sub(r"[^\w]|_", "", bare)
        apart = len(letters) >= 3 and all(len(p) == 1 for p in re.split(r"[^\w]+|_", bare) if p)
        if apart:
            return self._known(_latin(letters.translate(_LEET)))
        return None

    def _known(self, word: str) -> str | None:
        mended = self._mend(word)
        return mended if all(w in self.vocabulary for w in mended.split(" ")) else None

    def _mend_word(self, word: str) -> str:
        """A word of the vocabulary (or several, spaced) in place of a misspelt one; else the word itself."""
        if word in self.vocabulary:
            return word
        if word in self.typos:
            return self.typos[word]
        if word in self._slips:
            return self._slips[word]
        if _STRETCHED.search(word):
            for kept in (r"\1\1", r"\1"):
                short = _STRETCHED.sub(kept, word)
                if short in self.vocabulary or short in self.typos or short in self._slips:
                    return self._mend_word(short)
            return self._mend_word(_STRETCHED.sub(r"\1", word))
        if len(word) >= 8 and (parts := self._parts(word)) and self._telling & set(parts.split(" ")):
            return parts
        return word

    def _parts(self, word: str) -> str | None:
        """Words run together, cut apart: the cut with the fewest words, none of them a single letter but i and a."""
        best: list[tuple[int, str] | None] = [(0, "")] + [None] * len(word)
        for end in range(1, len(word) + 1):
            for start in range(max(0, end - self._longest), end):
                before, piece = best[start], word[start:end]
                if before is None or (len(piece) == 1 and piece not in "ia") or piece not in self.vocabulary:
                    continue
                if best[end] is None or before[0] + 1 < best[end][0]:  # type: ignore[index]
                    best[end] = (before[0] + 1, f"{before[1]} {piece}".strip())
        found = best[-1]
        return found[1] if found and 2 <= found[0] <= len(word) // 2 else None

    def _joined(self, words: list[Word]) -> list[Word]:
        """Join letters that stand apart, where together they are words that the rules know."""
        if sum(len(w.text) == 1 for w in words) < _JOINED:
            return words
        out: list[Word] = []
        at = 0
        while at < len(words):
            stop = at
            while stop < len(words) and len(words[stop].text) == 1 and words[stop].text.isalnum():
                stop += 1
            run = words[at:stop]
            word = self._known("".join(w.text for w in run)[: 2 * _LONGEST_WORD]) if len(run) >= _JOINED - 1 else None
            if word and len(run) <= 2 * _LONGEST_WORD:
                first, last = run[0], run[-1]
                for piece in word.split(" "):
                    out.append(
                        Word(piece, first.start, last.end, first.turn, first.sentence, first.clause, first.quoted)
                    )
                at = stop
            else:
                out.extend(words[at : max(stop, at + 1)])
                at = max(stop, at + 1)
        return out


def _latin(word: str) -> str:
    """Look-alike letters of other scripts as Latin ones, in a word that has Latin letters too."""
    if word.isascii() or not any("a" <= c <= "z" for c in word):
        return word
    return "".join(_LOOK_ALIKES.get(c, c) for c in word)


def _slips(word: str) -> Iterable[str]:
    """Every string one slip away: a letter left out, doubled, changed, added, or two exchanged."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    for i in range(len(word) + 1):
        a, b = word[:i], word[i:]
        if len(b) > 1:
            yield a + b[1] + b[0] + b[2:]
        if b:
            yield a + b[1:]
            for c in letters:
                yield a + c + b[1:]
        for c in letters:
            yield a + c + b


def _starred(word: str) -> Iterable[str]:
    """A word with one or two inner letters hidden by stars, the first letter showing."""
    if len(word) < 3:
        return
    inner = range(1, len(word) if len(word) > 3 else len(word) - 1)
    for i in inner:
        once = word[:i] + "*" + word[i + 1 :]
        yield once
        for j in inner:
            if j > i and len(word) > 3:
                yield once[:j] + "*" + once[j + 1 :]
