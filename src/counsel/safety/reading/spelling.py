"""Raw text to plain words, each with its place in the raw text, however it was typed.

``Reader`` cuts the plain text into words and mends those that were hidden or misspelt towards the words that the rules
know: letters apart, digits and signs for letters, stars, stretched and run-together words, slips of one letter. It
takes time linear in the length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from counsel.safety.reading.letters import GONE, LOOK_ALIKES, plain


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the rules read it.

    Attributes:
        text: plain and mended.
        start: where its characters start in the raw text.
        end: where they end.
        turn: the message that it stands in.
        sentence: the number of its sentence, which grows at every sentence end.
        clause: the number of its clause, which also grows at commas, dashes, brackets and line ends.
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
WORD = r"(?!_)[\w\u0900-\u0963\u0966-\u0dff](?:\x00*(?!_)[\w\u0900-\u0963\u0966-\u0dff])*"
"""Letters and digits in a row, the vowel signs of Indic scripts among them."""
_LEET = str.maketrans("013457@$!|8", "oieastasiib")
_ENDS, _PAUSES = ".!?。।॥", ",;:()[]–—\n،、…"
_QUOTES = '"“”„«»「」'
_SIGN_LETTERS = "$@*"
_DOTS = re.compile(r"\.{2,}")
_STARRED = re.compile(r"[*#%$@!\-_.]")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_DOUBLED = re.compile(r"(.)\1+")
_LONGEST_WORD = 80
_TELLING = frozenset("kill die dead dying hurt suicide".split())
"""Words that are run together are cut apart if one of these or of the keys is among them."""
_JOINED = 3
"""The least number of single letters in a row that are read as a word that was spaced out."""
_UNKNOWN = 10
"""What a letter that belongs to no word costs, where a word costs 1."""
_SHORT = frozenset("i a to me my be it in is im so no do of on at we he us up if or an am go by id u".split())
"""The only words of one or two letters that are looked for among words that were run together."""
_BESIDE = frozenset(
    "i me my myself him himself her herself them themselves us you yourself all everyone now tonight today soon "
    "wanna gonna want just let please".split()
)
"""If two words were run together, one of them is among these; "roadkill" and "burdensome" are one word."""


@dataclass(slots=True)
class _Position:
    """Where reading stands: in which message, sentence and clause the next word is."""

    turn: int
    sentence: int
    clause: int
    quoted: bool = False

    def words(self, texts: str, start: int, end: int) -> Iterator[Word]:
        """The words, spaced, that stand for the same characters."""
        for text in texts.split(" "):
            yield Word(text, start, end, self.turn, self.sentence, self.clause, self.quoted)

    def signs(self, signs: str, inside: bool = False) -> None:
        """Go on past what stands between two words; ``inside`` a chunk, a hyphen is not a pause."""
        if signs:
            quotes, ends, pauses = _read_signs(signs if len(signs) < _LONGEST_WORD else "".join(sorted(set(signs))))
            self.quoted ^= quotes
            self.sentence += ends
            self.clause += ends or pauses or ("-" in signs and not inside)


@lru_cache(maxsize=4096)
def _read_signs(signs: str) -> tuple[bool, bool, bool]:
    """Whether signs open or close a quotation, end a sentence, and make a pause."""
    quotes = sum(c in _QUOTES for c in signs) % 2 == 1
    signs = _DOTS.sub("…", signs)
    pauses = any(c in _PAUSES or unicodedata.category(c) == "So" for c in signs)
    return quotes, any(c in _ENDS for c in signs), pauses


def ends_sentence(signs: str) -> bool:
    """Whether the raw signs after a message's last word end its sentence."""
    return _read_signs(plain(signs[:_LONGEST_WORD]))[1]


class Reader:
    """Cuts raw text into words and mends them.

    Args:
        vocabulary: every word that the rules know; words are only corrected to one of these.
        keys: the words of the vocabulary in which one wrong letter is corrected.
        typos: common misspellings and what they stand for.
        real: ordinary words that look like a misspelt key, or like two words run together, but are neither.
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
        self._run = frozenset(w for w in self.vocabulary if w in _SHORT or len(w) > 2)
        self._longest = max(map(len, self._run), default=0)
        self._telling = frozenset(keys) | _TELLING
        self._slips: dict[str, str] = {}
        self._shapes: dict[tuple[str, int], list[str]] = {}
        self._squeezed: dict[str, str] = {}
        self._real = self.vocabulary | set(real)
        known = self._real | set(self.typos)
        for key in keys:
            for slip in _slips(key):
                if slip not in known:
                    self._slips.setdefault(slip, key)
        for word in sorted(self.vocabulary, key=lambda w: (w not in _TELLING, w not in self._telling, w)):
            self._squeezed.setdefault(_DOUBLED.sub(r"\1", word), word)
            self._shapes.setdefault((word[0], len(word)), []).append(word)
        self._piece = re.compile("|".join([WORD, *map(re.escape, self.emoji)]))
        self._mend = lru_cache(maxsize=20_000)(self._mend_word)
        self._whole = lru_cache(maxsize=20_000)(self._whole_chunk)

    def read(self, text: str, turn: int = 0, sentence: int = 0, clause: int = 0) -> list[Word]:
        """The words of one message, numbering sentences and clauses on from the given ones."""
        words: list[Word] = []
        place = _Position(turn, sentence, clause)
        lowered = plain(text)
        line = 0
        for chunk in _CHUNK.finditer(lowered):
            start, end = chunk.span()
            if (breaks := lowered.count("\n", line, start)) and words:
                place.clause += 1
                place.sentence += breaks > 1
            line = end
            body = chunk.group()
            match = _PLAIN_WORD.match(body) if len(body) <= _LONGEST_WORD else None
            if match:
                word = match[1] + (match[2] or "")
                mended = word if word in self.vocabulary else self._mend(word)
                words.extend(place.words(mended, start, end - len(match[3])))
                if match[3]:
                    place.signs(match[3])
            else:
                self._cut(body, start, place, words)
        return self._joined(words)

    def _cut(self, body: str, at: int, place: _Position, words: list[Word]) -> None:
        """Cut a chunk that is more than letters; adds to ``words``."""
        begin, end = 0, len(body)
        while begin < end and not (body[begin].isalnum() or body[begin] in _SIGN_LETTERS or body[begin] in self.emoji):
            begin += 1
        while end > begin and not (body[end - 1].isalnum() or unicodedata.category(body[end - 1])[0] == "M"
                                   or body[end - 1] in "$@|" or body[end - 1] in self.emoji):  # fmt: skip
            end -= 1
        place.signs(body[:begin])
        whole = self._whole(body[begin:end]) if begin < end <= begin + _LONGEST_WORD else None
        if whole:
            words.extend(place.words(whole, at + begin, at + end))
        else:
            self._pieces(body[begin:end], at + begin, place, words)
        place.signs(body[end:])

    def _pieces(self, core: str, at: int, place: _Position, words: list[Word]) -> None:
        """Cut a chunk that is several words or none; adds to ``words``."""
        behind = 0
        for match in self._piece.finditer(core):
            start, end = match.span()
            if not (core[start].isdigit() and start == behind + 1 and core[behind - 1 : behind].isdigit()):
                place.signs(core[behind:start], inside=True)
            if match.group() in self.emoji:
                words.extend(place.words(self.emoji[match.group()], at + start, at + end))
                place.clause += 1
            else:
                word = self._latin(match.group()[: 2 * _LONGEST_WORD].replace(GONE, ""))
                words.extend(place.words(self._mend(word[:_LONGEST_WORD]), at + start, at + end))
            behind = end
        place.signs(core[behind:], inside=True)

    def _whole_chunk(self, core: str) -> str | None:
        """The word that a chunk with signs in it stands for, or None where it is several words."""
        bare = core.replace(GONE, "")
        if bare.replace("'", "").isalpha():
            return self._mend(self._latin(bare.replace("'", "")))
        if bare.isdigit():
            return bare
        if bare in self.emoji:
            return None
        return self._leet(bare) or self._masked(bare) or self._apart(bare)

    def _leet(self, bare: str) -> str | None:
        """A word with digits and signs for letters."""
        if len(bare) < 3:
            return None
        found: list[str] = []
        for ell in ("", "1", "|"):
            candidate = (bare.replace(ell, "l") if ell else bare).translate(_LEET)
            word = self._latin(candidate.replace("'", ""))
            mended = self._known(word) if word.isalpha() else None
            if mended and not (" " in mended and "!" in bare):  # "no!die" is a sentence's end
                found.append(mended)
        return min(found, key=lambda m: not self._telling & set(m.split(" ")), default=None)

    def _masked(self, bare: str) -> str | None:
        """A word some letters of which are hidden by stars or other signs."""
        for masked in dict.fromkeys((bare, _STARRED.sub("*", bare))):
            if "*" in masked and len(masked) >= 3:
                shaped = self._shapes.get((masked[0], len(masked)), ())
                if found := next((w for w in shaped if _fits(w, masked)), None):
                    return found
        return None

    def _apart(self, bare: str) -> str | None:
        """A word with signs between all of its letters, or in the middle of a telling word."""
        pieces = re.findall(WORD, bare)
        letters = self._latin("".join(pieces))
        if letters in self._telling:
            return letters
        if len(pieces) >= _JOINED and all(len(p) == 1 for p in pieces):
            return self._known(letters.translate(_LEET))
        return None

    def _known(self, word: str) -> str | None:
        mended = self._mend(word)
        return mended if all(w in self.vocabulary for w in mended.split(" ")) else None

    def _latin(self, word: str) -> str:
        """Look-alike letters of other scripts as Latin ones, beside Latin letters or where they make a telling word."""
        if word.isascii():
            return word
        latin = "".join(LOOK_ALIKES.get(c, c) for c in word)
        return latin if latin in self._telling or any("a" <= c <= "z" for c in word) else word

    def _mend_word(self, word: str) -> str:
        """A word of the vocabulary (or several, with spaces) for a misspelt word; otherwise the word itself."""
        if word in self._real:
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
            return self._squeezed.get(_DOUBLED.sub(r"\1", word)) or self._mend_word(_STRETCHED.sub(r"\1", word))
        if len(word) >= 8 and any(t in word for t in self._telling):
            parts = self._parts(word) or []
            if self._telling & set(parts) and (len(parts) > 2 or _BESIDE & set(parts)):
                return " ".join(parts)
        return word

    def _parts(self, word: str, gaps: bool = False) -> list[str] | None:
        """Words that were run together, cut into as few as possible; with ``gaps``, some letters may belong to none."""
        costs = [0, *[len(word) * _UNKNOWN + 1] * len(word)]
        cuts = [0] * len(costs)
        for end in range(1, len(costs)):
            for start in range(max(0, end - self._longest), end):
                piece = word[start:end]
                if piece in self._run:
                    cost = costs[start] + 1
                elif gaps and end - start == 1:
                    cost = costs[start] + _UNKNOWN
                else:
                    continue
                if cost < costs[end]:
                    costs[end], cuts[end] = cost, start
        if costs[-1] > len(word) * _UNKNOWN:
            return None
        parts: list[str] = []
        end = len(word)
        while end:
            parts.append(word[cuts[end] : end])
            end = cuts[end]
        return parts[::-1]

    def _joined(self, words: list[Word]) -> list[Word]:
        """Join letters that stand apart, and the halves of a telling word."""
        out: list[Word] = []
        at = 0
        while at < len(words):
            stop = at
            while stop < len(words) and len(words[stop].text) == 1 and words[stop].text.isalnum():
                stop += 1
            if stop - at >= _JOINED:
                out += self._spaced(words[at:stop])
                at = stop
            elif at + 1 < len(words) and self._halves(words[at], words[at + 1]):
                out.append(replace(words[at], text=words[at].text + words[at + 1].text, end=words[at + 1].end))
                at += 2
            else:
                out.append(words[at])
                at += 1
        return out

    def _halves(self, first: Word, second: Word) -> bool:
        """Whether a telling word was cut in two."""
        return (
            first.sentence == second.sentence
            and first.text + second.text in self._telling
            and not {first.text, second.text} <= self.vocabulary
        )

    def _spaced(self, run: list[Word]) -> list[Word]:
        """Single letters as the words that they spell, if they spell any."""
        letters = "".join(w.text for w in run)
        if letters.isdigit():
            return run
        letters = self._latin(letters.translate(_LEET))
        known = self._known(letters) if len(letters) <= _LONGEST_WORD else None
        if known and known.replace(" ", "") != letters:
            return [replace(run[0], text=text, end=run[-1].end) for text in known.split(" ")]
        parts = [letters] if known == letters else self._parts(letters, gaps=True) or []
        if not known and not self._telling & set(parts):
            return run
        out: list[Word] = []
        at = 0
        for part in parts:
            out.append(replace(run[at], text=part, end=run[at + len(part) - 1].end))
            at += len(part)
        return out


def _slips(word: str) -> Iterable[str]:
    """Every string that is one slip away: a letter left out, doubled, changed or added, or two letters exchanged."""
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


def _fits(word: str, masked: str) -> bool:
    """Whether a word could stand behind these stars: one or two of its inner letters, or all but the first and last."""
    hidden = masked.count("*")
    if masked[0] == "*" or not all(m in ("*", c) for c, m in zip(word, masked, strict=True)):
        return False
    few = hidden == 1 and (len(word) > 3 or masked[-1] != "*")
    return few or (hidden == 2 and len(word) > 3) or (hidden == len(word) - 2 and masked[-1] != "*")
