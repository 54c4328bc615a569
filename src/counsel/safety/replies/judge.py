"""Screens what a model wrote, sentence by sentence, before it reaches a person: text in, ``Finding``s out.

A sentence is judged with the text before it, never after it, so a stream and the whole text are judged alike
(``stream.ReplyScreen``). What is looked for stands in ``replies.toml``; docs/replies.md says how to read and extend it,
how well it does, and what it misses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from counsel.safety.reading.phrases import Match
from counsel.safety.reading.spelling import Word
from counsel.safety.replies.loops import Loops, leaked
from counsel.safety.replies.reach import Reach
from counsel.safety.replies.sentences import LONGEST, Sentence, Splitter
from counsel.safety.replies.table import ASKED, QUOTED, Ban, Table, read_table
from counsel.safety.verdict import Finding, Kind, Remedy, Verdict

MOST_REPLACED = 2
"""How many sentences of one reply are replaced; a reply with more bad ones ends with written words."""
LONGEST_REPLY = 60_000
"""How many characters are judged; no counselor's answer is that long, so a longer reply is ended."""
_GLUED = 3
"""A sentence of at most this many words ("I. Love. You.") is read together with the next one."""
_CARRIED = 24
"""How many words are read again when a sentence goes on after a forced cut."""
_CARRIED_CHARACTERS = 80
"""How many characters of earlier text are read again, because a telephone number may have begun there."""
_STRENGTH: dict[Remedy, int] = {"replace": 0, "regenerate": 1, "fallback": 2}


@dataclass(frozen=True, slots=True)
class Context:
    """What is known before the reply.

    Attributes:
        verdict: on the conversation so far.
        said: all that the person wrote; what they gave themselves may be repeated to them.
        turn: the reply's message number, from 0.
        numbers: telephone numbers that a reply may name, in any writing.
        sites: web hosts that it may name, with their subdomains.
        tokens: tokens of the model's chat template besides the common ones.
    """

    verdict: Verdict = field(default_factory=Verdict)
    said: str = ""
    turn: int = 1
    numbers: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()

    @property
    def language(self) -> str:
        """The language of written words: ``es`` or ``en``."""
        return "es" if self.verdict.language.split("-")[0] == "es" else "en"


def screen_reply(text: str, context: Context) -> tuple[Finding, ...]:
    """Everything in a whole reply that must not reach a person, in the order of the text.

    A stream's findings are these up to the first that stops it. Time is linear in the length; a reply beyond
    ``LONGEST_REPLY`` characters counts as a repetition there, and is not judged further.
    """
    judge = Judge(context)
    splitter = Splitter()
    found: list[Finding] = []
    for sentence in splitter.feed(text[: LONGEST_REPLY + LONGEST]) + splitter.close():
        found += judge.judge(sentence)
        if judge.is_full:
            break
    return tuple(found)


def remedy(findings: Iterable[Finding]) -> Remedy | None:
    """The strongest action among a sentence's findings, or None where there is none."""
    return max((f.action for f in findings), key=_STRENGTH.__getitem__, default=None)


class Judge:
    """Judges one reply's sentences in order; it remembers only earlier text."""

    def __init__(self, context: Context, table: Table | None = None) -> None:
        self.context = context
        self.table = table or read_table()
        self._reach = Reach(context.numbers, context.sites, context.said)
        self._said = frozenset(w.text for w in self.table.reader.read(context.said))
        self._categories = frozenset(context.verdict.categories)
        self._tokens = tuple(sorted(t.lower() for t in context.tokens if t.strip()))
        self._loops = Loops()
        self._carried: list[Word] = []
        self._tail = ""
        self._is_short = False
        self._before = (self._carried, self._tail, self._is_short)
        self._replaced = 0
        self.is_full = False

    def forget(self) -> None:
        """Forget the last sentence, which was refused; that it was said is remembered, to notice a repetition."""
        self._carried, self._tail, self._is_short = self._before

    def judge(self, sentence: Sentence) -> tuple[Finding, ...]:
        """What is wrong with a sentence: at most one finding of each kind, in the order of the text."""
        end = sentence.start + len(sentence.text)
        if end > LONGEST_REPLY:
            self.is_full = True
            return (Finding("repetition", self.context.turn, sentence.start, end, "fallback"),)
        words = self.table.reader.read(sentence.text)
        places: dict[Kind, tuple[int, int, Remedy]] = {}
        for kind, start, end, action in (*self._phrases(words, sentence), *self._patterns(sentence, words)):
            known = places.get(kind)
            if known is None or _STRENGTH[action] > _STRENGTH[known[2]]:
                places[kind] = (start, end, action)
        self._remember(sentence, words)
        if not places:
            return ()
        found = [
            Finding(kind, self.context.turn, sentence.start + max(0, start), sentence.start + end, action)
            for kind, (start, end, action) in sorted(places.items(), key=lambda p: p[1][:2])
        ]
        if remedy(found) == "replace":
            self._replaced += 1
            if self._replaced > MOST_REPLACED:
                found = [replace(f, action="fallback") for f in found]
        return tuple(found)

    def _remember(self, sentence: Sentence, words: Sequence[Word]) -> None:
        self._before = (self._carried, self._tail, self._is_short)
        gap = len(sentence.text)
        before = [replace(w, start=w.start - gap, end=w.end - gap) for w in self._carried]
        now = [replace(w, start=w.start - gap, end=w.end - gap, clause=w.clause + _next_clause(before)) for w in words]
        is_short = 0 < len(words) <= _GLUED
        self._carried = (before + now)[-_CARRIED:] if is_short or not words else now[-_CARRIED:]
        self._is_short = is_short
        self._tail = (self._tail + sentence.text)[-_CARRIED_CHARACTERS:]

    def _patterns(self, sentence: Sentence, words: Sequence[Word]) -> Iterator[tuple[Kind, int, int, Remedy]]:
        text = sentence.text
        actions = self.table.kinds
        if place := leaked(text, self._tokens, not sentence.continues):
            yield "template", *place, actions["template"].action
        if place := self._loops.hear(text, words):
            yield "repetition", *place, actions["repetition"].action
        shift = len(self._tail)
        for kind, start, end in self._reach.find(self._tail + text):
            if end > shift:
                yield kind, start - shift, end - shift, actions[kind].action

    def _phrases(self, words: list[Word], sentence: Sentence) -> Iterator[tuple[Kind, int, int, Remedy]]:
        if not words:
            return
        asked = sentence.text.rstrip(" \n\"'”’)*").endswith("?")
        yield from self._matched(words, 0, asked)
        if self._carried and (sentence.continues or self._is_short):
            step = _next_clause(self._carried)
            glued = self._carried + [replace(w, clause=w.clause + step) for w in words]
            yield from self._matched(glued, len(self._carried), asked)

    def _matched(self, words: list[Word], fresh: int, asked: bool) -> Iterator[tuple[Kind, int, int, Remedy]]:
        """What the table finds in the words; a match must end behind the first ``fresh`` ones."""
        suspects: list[tuple[int, str, Match]] = []
        pardons: dict[tuple[str, int | str], list[Match]] = {}
        for match in self.table.phrases.find(words):
            role, of = self.table.roles[match.phrase]
            if isinstance(of, int) and role != "unless":
                if self._counts(self.table.bans[of], words[match.end - 1].text):
                    suspects.append((of, role, match))
            else:
                pardons.setdefault((role, of), []).append(match)
        groups: dict[int, dict[str, Match]] = {}
        for number, role, match in suspects:
            ban = self.table.bans[number]
            if (asked and ASKED in ban.guards) or _is_pardoned(ban, number, match, words, pardons):
                continue
            whole = groups.setdefault(number, {})
            whole.setdefault(role, match)
            parts = [match] if role == "bad" else list(whole.values())
            start, end = min(m.start for m in parts), max(m.end for m in parts)
            if end > fresh and len(parts) == max(1, ban.groups):
                yield ban.kind, words[start].start, words[end - 1].end, ban.action

    def _counts(self, ban: Ban, last: str) -> bool:
        """Whether a row counts for this person, given the last word of what matched."""
        if ban.when and self._categories.isdisjoint(ban.when):
            return False
        return not (ban.echoed and last in self._said)


def _next_clause(words: Sequence[Word]) -> int:
    return words[-1].clause + 1 if words else 0


def _is_pardoned(
    ban: Ban,
    number: int,
    match: Match,
    words: Sequence[Word],
    pardons: dict[tuple[str, int | str], list[Match]],
) -> bool:
    """Whether what stands around a match makes it harmless."""
    first, last = words[match.start].clause, words[match.end - 1].clause
    if QUOTED in ban.guards and words[match.start].quoted:
        return True
    for other in pardons.get(("unless", number), ()):
        if first <= words[other.end - 1].clause and words[other.start].clause <= last:
            return True
    cancelled = pardons.get(("cancel", ""), ())
    for name in ban.guards:
        for guard in pardons.get(("guard", name), ()):
            if guard.start >= match.start or words[guard.start].clause != first:
                continue
            if not any(c.start <= guard.start < c.end for c in cancelled):
                return True
    return False
