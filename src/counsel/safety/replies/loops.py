"""What only a machine writes: template tokens and turn labels that leaked, and text that goes round in circles."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Sequence

from counsel.safety.reading.letters import GONE, plain
from counsel.safety.reading.spelling import Word
from counsel.safety.replies.reader import NUMBER

_NAMES = (
    r"s|sys|unk|pad|bos|eos|mask|sep|cls|think|end_of_text|endoftext|start_of_turn|end_of_turn|eot_id|im_start|im_end|"
    r"system|user|assistant|tool_call|tool_response"
)
_TOKENS = re.compile(
    r"<\s?[|｜][^|｜<>\n]{0,40}[|｜]?\s?>|[|｜](?:im_start|im_end|eot_id|endoftext|end_of_text)[|｜]?"
    rf"|<{{1,2}}\s?/?\s?(?:{_NAMES})\s?>{{1,2}}"
    r"|\[\s?/?\s?(?:inst|available_tools|tool_calls|tool_results|system_prompt|img|pad|unk|cls|sep|mask)\s?\]"
    r"|\[(?:your |my |the )?(?:first |full |last )?(?:name|phone|address|e-?mail|url|number|helpline|birth date|"
    r"redacted|company|insert [^\]\n]{1,30}|therapist'?s? name|client'?s? name|city|date)\]"
    r"|#{2,4}\s?(?:instruction|response|input|human|assistant|user|system)s?\s?:?|\{\{[^{}\n]{0,60}\}\}|\{%[^{}\n]{0,60}%\}"
    r"|<0x[0-9a-f]{2}>|▁▁|\ufffd{2,}"
)
_LABEL = re.compile(
    r"(?:^|\n)[\s*_#>\"]{0,6}(?:user|assistant|human|system|ai|bot|chatbot|counsel|counselor|counsellor|therapist|client|"
    r"patient|usuario|asistente|paciente|terapeuta|question|answer|q|a|response|end of conversation)"
    r"[\s*_]{0,4}(?:\d{1,2}[\s*_]{0,3})?[:：]"
)


def leaked(text: str, tokens: Sequence[str], begins: bool) -> tuple[int, int] | None:
    """The first template token or turn label in a sentence.

    Args:
        text: the sentence.
        tokens: further tokens of the model's own template, in lower case.
        begins: whether the sentence begins here, so that a label may stand at its first character.
    """
    lowered = plain(text)
    places: Sequence[int] = range(len(lowered))
    if GONE in lowered:
        places = [i for i, c in enumerate(lowered) if c != GONE]
        lowered = lowered.replace(GONE, "")
    found = [m.span() for m in (_TOKENS.search(lowered), _LABEL.search(lowered)) if m]
    if not begins and found and found[-1][0] == 0 and not _TOKENS.match(lowered):
        found.pop()
    for token in tokens:
        at = lowered.find(token)
        if token and at >= 0:
            found.append((at, at + len(token)))
    if not found:
        return None
    start, end = min(found)
    return places[start], places[end - 1] + 1


SAME_SENTENCE = 3
"""A sentence may not be said this many times."""
_SHORT = 3
"""Sentences of this few words, as in guided breathing, may come back twice as often."""
_SAME_WORD = 6
_GRAM, _GRAMS, _RECENT = 6, 4, 400
"""The length of a run of words, how often it may not come back, and within how many of the last words."""
_CLOSE_GRAM, _CLOSE_GRAMS = 3, 5
"""The first two of these for repetition within one sentence."""
_RUN = re.compile(r"([^\W\d_])\1{7,}|([^\w\s])\2{24,}|(\d)\3{9,}|(.)\4{60,}", re.DOTALL)
_PAIRS = re.compile(r"(\w\w|\w\w\w)\1{6,}")
_INVISIBLE = 20


class Loops:
    """Notices repetition; it is given every sentence of one reply in order."""

    def __init__(self) -> None:
        self._sentences: Counter[tuple[str, ...]] = Counter()
        self._recent: deque[str] = deque(maxlen=_RECENT)
        self._grams: Counter[tuple[str, ...]] = Counter()

    def hear(self, text: str, words: Sequence[Word]) -> tuple[int, int] | None:
        """The place of a repetition in this sentence, or None. ``words`` have places that count from its start."""
        found = self._characters(text)
        spoken = tuple(text[w.start : w.end] if w.text == NUMBER else w.text for w in words)
        if not spoken:
            return found
        whole = words[0].start, words[-1].end
        self._sentences[spoken] += 1
        often = SAME_SENTENCE * (2 if len(spoken) <= _SHORT else 1)
        if self._sentences[spoken] >= often:
            found = found or whole
        if self._again(spoken):
            found = found or whole
        return found

    @staticmethod
    def _characters(text: str) -> tuple[int, int] | None:
        for pattern in (_RUN, _PAIRS):
            if match := pattern.search(text):
                return match.span()
        if not text.isascii() and (gone := plain(text).count(GONE)) >= _INVISIBLE and 2 * gone > len(text):
            return 0, len(text)
        return None

    def _again(self, spoken: tuple[str, ...]) -> bool:
        same, run = 1, 1
        for a, b in zip(spoken, spoken[1:], strict=False):
            run = run + 1 if a == b else 1
            same = max(same, run)
        close = Counter(zip(*(spoken[i:] for i in range(_CLOSE_GRAM)), strict=False))
        is_loop = same >= _SAME_WORD or max(close.values(), default=0) >= _CLOSE_GRAMS
        for word in spoken:
            if len(self._recent) == _RECENT:
                gone = tuple(self._recent[i] for i in range(_GRAM))
                self._grams[gone] -= 1
                if not self._grams[gone]:
                    del self._grams[gone]
            self._recent.append(word)
            if len(self._recent) >= _GRAM:
                gram = tuple(self._recent[i] for i in range(-_GRAM, 0))
                self._grams[gram] += 1
                is_loop = is_loop or self._grams[gram] >= _GRAMS
        return is_loop
