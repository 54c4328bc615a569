"""A reply's stream behind the screen: nothing is released before it is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from counsel.safety.replies.judge import Context, Judge, remedy
from counsel.safety.replies.sentences import Sentence, Splitter
from counsel.safety.replies.table import Table
from counsel.safety.verdict import Finding, Kind

StreamState = Literal["open", "regenerate", "ended"]


class ReplyScreen:
    """Screens one reply while it is generated.

    ``feed`` pieces of any size and show what comes back. Once ``state`` is ``regenerate``, stop the model, call
    ``resume`` and have it go on behind ``released``; this happens once a reply. Once it is ``ended``, stop the model:
    the answer is complete. Call ``close`` when the model has finished.

    Attributes:
        state: ``open`` while the stream is taken, ``regenerate`` and ``ended`` as above.
        findings: so far, both attempts'. Offsets count in the raw text as fed; after ``resume`` they go on as if the
            refused sentence, and what followed it, had never been fed.
    """

    def __init__(self, context: Context, table: Table | None = None) -> None:
        self.state: StreamState = "open"
        self.findings: tuple[Finding, ...] = ()
        self._context = context
        self._judge = Judge(context, table)
        self._splitter = Splitter()
        self._base = 0
        self._judged = 0
        self._released: list[str] = []
        self._regenerated = False
        self._closed = False
        self._written: list[Kind] = []
        self._replacing = False

    @property
    def released(self) -> str:
        """All the text that has been released so far."""
        return "".join(self._released)

    def feed(self, chunk: str) -> str:
        """What may be shown once ``chunk`` has come; nothing once the stream has stopped.

        Raises:
            ValueError: after ``close``.
        """
        if self._closed:
            raise ValueError("the screen is closed")
        return self._take(self._splitter.feed(chunk)) if self.state == "open" else ""

    def close(self) -> str:
        """What remains, now that the model has finished; ``resume`` opens it again once it is ``regenerate``."""
        if self._closed:
            return ""
        self._closed = True
        shown = self._take(self._splitter.close()) if self.state == "open" else ""
        if self.state == "open":
            self.state = "ended"
        return shown

    def resume(self) -> None:
        """Take a second attempt, which goes on behind ``kept``.

        Raises:
            ValueError: unless the state is ``regenerate``.
        """
        if self.state != "regenerate":
            raise ValueError("there is nothing to generate again")
        self.state = "open"
        self._closed = False
        self._base = self._judged
        self._splitter = Splitter()

    def _take(self, sentences: list[Sentence]) -> str:
        before = len(self._released)
        for sentence in sentences:
            if self.state != "open":
                break
            shown = self._decide(Sentence(sentence.text, sentence.start + self._base, sentence.continues))
            self._released.append(shown)
        return "".join(self._released[before:])

    def _decide(self, sentence: Sentence) -> str:
        found = self._judge.judge(sentence)
        action = remedy(found)
        if action == "regenerate" and self._regenerated:
            found = tuple(replace(f, action="fallback") for f in found)
            action = "fallback"
        self.findings += found
        if action == "regenerate":
            self.state = "regenerate"
            self._regenerated = True
            self._judge.forget()
            return ""
        self._judged = sentence.start + len(sentence.text)
        if action is None:
            # If the beginning of a long sentence was replaced, the rest goes with it.
            self._replacing = self._replacing and sentence.continues
            return "" if self._replacing else sentence.text
        kind = next(f.kind for f in found if f.action == action)
        if action == "replace":
            again = self._replacing and sentence.continues
            self._replacing = True
            lead = sentence.text[: len(sentence.text) - len(sentence.text.lstrip())]
            return "" if again else lead + self._safe_sentence(kind)
        self.state = "ended"
        return ("\n\n" if any(map(str.strip, self._released)) else "") + self.fallback(kind)

    def _safe_sentence(self, kind: Kind) -> str:
        variants = self._judge.table.kinds[kind].safe[self._context.language]
        self._written.append(kind)
        # The wording changes with every turn and every replacement, so that nobody reads the same words twice in a row.
        return variants[(self._context.turn // 2 + self._written.count(kind) - 1) % len(variants)]

    def fallback(self, kind: Kind) -> str:
        """The written reply that ends an answer with a finding of ``kind``, in the person's language."""
        table, language = self._judge.table, self._context.language
        endings = table.endings[self._context.verdict.action][language]
        return f"{table.kinds[kind].fallback[language]} {endings[(self._context.turn // 2) % len(endings)]}"
