"""From a turn as it was exported to a turn worth training on. Every rule counts what it did.

Order: markup and entities, Unicode, white space; what is personal; last, in replies, sign-offs and promotion.
Cleaning a clean text changes nothing.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from counsel.data.cleaning.masking import Masker, Span, parts_of
from counsel.text import words

_HIDDEN = re.compile(r"<!--.*?-->|<(style|script|xml|head)\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_INLINE = (
    "a|abbr|b|big|blockquote|body|center|cite|code|del|em|font|form|html|i|img|input|ins|label|link|mark|meta|"
    "pre|q|s|small|span|strike|strong|sub|sup|tt|u|head|style|script|xml"
)
_BLOCK = (
    "address|article|aside|br|dd|div|dl|dt|figure|footer|h[1-6]|header|hr|li|main|nav|ol|p|section|table|tbody|td|th|"
    "thead|tr|ul"
)
# Only names that HTML and office exports use: somebody may write <3 or <me> and mean it.
_TAG = re.compile(rf"</?(?:({_BLOCK})|{_INLINE}|\w{{1,3}}:\w+)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,30});?")
_AMP = re.compile(r"&(?:amp;)+")
# Controls, byte order and direction marks, half surrogates. Joiners stay, because scripts and emoji need them.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e"
                      "\u2060-\u206f\ufeff\ufff9-\ufffc\ud800-\udfff]")  # fmt: skip
_NBSP = re.compile("[\u00a0\u202f\u2007]")
_BREAK = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_GAP = re.compile(r"\n{3,}")
_ADDRESS = re.compile(r"[/@]|\bwww\.", re.IGNORECASE)
_GLUED = re.compile(r"([.!?])(?<=[a-z]{2}.)(?=[A-Z][a-z])")

_CREDENTIAL = r"(?:LCSW|LMFT|LMHC|LPCC?|LCPC|LICSW|LMSW|MFT|MSW|NCC|Ph\.?\s?D|Psy\.?D|M\.?A|M\.?S|M\.?Ed|MD|RN|CADC)"
_CLOSING = re.compile(
    r"(?:(?:and|so|again|i hope|hope|with|my|the|many|very) )*"
    r"(?:(?:good|best of) luck|(?:all (?:my|the) )?(?:very )?best(?: wishes| regards)?|take (?:good |very good )?care"
    r"|(?:kind|warm|best|kindest|warmest|with)? ?(?:regards|wishes)|sincerely(?: yours)?|yours (?:truly|sincerely)"
    r"|blessings|be well|stay (?:strong|well|safe)|god bless(?: you)?|namaste|cheers|respectfully|warmly"
    r"|(?:i |i'm |i am )?wish(?:ing)? you (?:all |only )?(?:the (?:very )?)?(?:best|well|luck|good luck|peace)"
    r"|(?:i (?:really |do )?)?hope (?:that )?(?:this|that|it) (?:helps|helped|was helpful|is helpful)"
    r"|(?:thanks|thank you) (?:so much |very much )?(?:for|and) .{0,60})"
    r"(?: (?:to|for|with|of|on|in|and|a|some|you|your|yourself|everything|this|it|all|journey|future|luck|well|"
    r"the|best|take|care|good|both|friend|there))*[\s,.!:;~…-]*",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    rf"[-–—~\s]*(?:[A-Z][\w.'’-]*+[\s,]*+|\[[\w ]+\][\s,]*+|&\s*){{1,8}}(?:,?\s*{_CREDENTIAL}\.?[\s,]*)*"
)
_SIGNED = re.compile(rf"(?:(?:[A-Z][\w.'’-]*+|\[[\w ]+\])[\s,]++){{1,4}}{_CREDENTIAL}\b.{{0,60}}", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")
_TAIL = 500
"""Sign-offs are looked for in this many characters at the end of a reply."""

_OWN = r"(?:my|our)(?: own)? (?:office|practice|clinic|website|web ?site|site|web ?page|page|profile|blog|book|" \
       r"podcast|youtube|newsletter|contact|number|phone|e-?mail|agency)"  # fmt: skip
_PROMOTION = re.compile(
    rf"\b(?:call|phone|text|contact|reach|e-?mail|message|visit|see|check|go|find|read|schedule|book|available|through|"
    rf"at|on) (?:\w+ ){{0,5}}{_OWN}\b"
    r"|\bfree (?:\w+[ -]){0,3}(?:phone |initial |online )?consult(?:ation)?\b"
    r"|\b(?:contact|call|e-?mail|text|message|reach(?: out to)?|schedule (?:\w+ ){0,4}with|book (?:\w+ ){0,4}with) me\b"
    r"(?! (?:when|if i|crazy|names?))"
    r"|\bi(?:'m| am|’m)? (?:also |currently )?(?:offer(?:ing)?|accepting|provide|taking) (?:\w+ ){0,4}"
    r"(?:sessions?|clients?|counseling|counselling|consultations?|coaching|appointments?)\b",
    re.IGNORECASE,
)
_OWNED = frozenset(
    "office practice clinic website web site webpage page profile blog book podcast youtube newsletter contact number "
    "phone email e agency".split()
)
_REACHED = frozenset("contact call e email text message reach schedule book".split())
_OFFERED = frozenset("offer offering accepting provide taking".split())


@dataclass(frozen=True, slots=True)
class CleanedTurn:
    """A turn after and before cleaning."""

    role: str
    text: str
    """Cleaned and masked."""
    before: str
    """Cleaned, not yet masked."""
    spans: list[Span]
    """What was masked in ``before``."""
    came: str
    """The words of the turn as it came, by which exact duplicates are recognised."""
    words: str
    """The words of ``text``."""


class Cleaner:
    """Cleans turns and counts, rule by rule, what it did.

    Args:
        masker: finds what is personal.
    """

    def __init__(self, masker: Masker) -> None:
        self.masker = masker
        self.counts: Counter[str] = Counter()

    def turn(self, text: str, role: str, author: str = "") -> CleanedTurn:
        """One turn, cleaned.

        Args:
            text: the turn as it stands in the source.
            role: replies (``assistant``) also lose sign-offs and promotion.
            author: who wrote the conversation's replies, as the source names them.
        """
        came = spoken(text) if "<" in text or "&" in text else ""
        text = self.plain(text)
        said = words(text)
        came = came or said
        tokens = parts_of(said)
        cleaned, spans = text, self.masker.find(text, tokens, author)
        found = spans
        for _ in range(3):  # a mask may free its neighbour, as in "0123my son Tyler"
            if not found:
                break
            self.counts.update(span.rule for span in found)
            is_glued = any(
                cleaned[s.start - 1 : s.start].isalnum() or cleaned[s.end : s.end + 1].isalnum() for s in found
            )
            cleaned = self.masker.replace(cleaned, found)
            found = self.masker.find(cleaned, None, author) if is_glued else []
        if role == "assistant":  # after masking, as a signature may be a name, an address or both
            if _may_promote(tokens):
                cleaned = self.spaces(self._promotion(cleaned))
            cleaned = self._sign_offs(cleaned).rstrip()
        return CleanedTurn(role, cleaned, text, spans, came, said if cleaned == text else words(cleaned))

    def prompt(self, text: str) -> str:
        """A user's text, cleaned and masked."""
        return self.turn(text, "user").text

    def plain(self, text: str) -> str:
        """Without markup, in NFC, with plain white space."""
        for _ in range(10):  # an entity may hide a tag, and a tag an entity
            before = text
            if not text.isascii():
                text = unicodedata.normalize("NFC", text)
                self.counts["unicode_nfc"] += text != before
            if "&" in text:
                text = self._entities(text)
            if "<" in text:
                text = self._markup(text)
            if text == before:
                break
        if not text.replace("\n", "").isprintable():
            text, n = _CONTROL.subn("", text)
            self.counts["control_characters"] += n
            text, n = _NBSP.subn(" ", text)
            self.counts["nbsp"] += n
        return self._parted(self.spaces(text))

    def _parted(self, text: str) -> str:
        """With a space between sentences that an export glued ("home.Then"), but not within a web address."""
        parts, at = [], 0
        for match in _GLUED.finditer(text):
            begin = max(text.rfind(sign, 0, match.start()) for sign in " \n<>") + 1
            if not _ADDRESS.search(text, begin, match.end()):
                parts += [text[at : match.end()], " "]
                at = match.end()
                self.counts["missing_spaces"] += 1
        return "".join([*parts, text[at:]]) if parts else text

    def spaces(self, text: str) -> str:
        """One blank between words, at most one empty line between paragraphs."""
        if "  " not in text and text.isprintable() and text[:1] != " " and text[-1:] != " ":
            return text  # one line, and nothing to mend: the commonest case by far
        after = _BREAK.sub("\n", text)
        if "\n" in after:
            lines = "\n".join([" ".join(line.split()) for line in after.split("\n")])
            after = _GAP.sub("\n\n", lines).strip()
        else:
            after = " ".join(after.split())
        self.counts["white_space"] += after != text
        return after

    def _entities(self, text: str) -> str:
        self.counts["entities"] += len(_ENTITY.findall(text))
        return html.unescape(_AMP.sub("&", text))

    def _markup(self, text: str) -> str:
        text, hidden = _HIDDEN.subn(" ", text)
        text, tags = _TAG.subn(_tag, text)
        self.counts["html"] += hidden + tags
        return text

    def _sign_offs(self, text: str) -> str:
        last = text[1 + max(text.rfind(sign, -_TAIL, -1) for sign in ("\n", ". ", "! ", "? ", '" ', "” ", "… ")) :]
        if not (
            _CLOSING.fullmatch(last.strip()) or _SIGNATURE.fullmatch(last.strip()) or _SIGNED.fullmatch(last.strip())
        ):
            return text
        head, tail = text[:-_TAIL], text[-_TAIL:]
        cuts = [0, *(m.end() for m in _SENTENCE_END.finditer(tail))]
        pieces = [tail[a:b] for a, b in zip(cuts, [*cuts[1:], None], strict=True)]
        keep = len(pieces)
        floor = 0 if head.strip() else 1  # a reply that is nothing but a sign-off stays
        while keep > floor:
            piece = pieces[keep - 1].strip()
            closes = _CLOSING.fullmatch(piece)
            before = _CLOSING.fullmatch(pieces[keep - 2].strip()) if keep > 1 else None
            signed = _SIGNED.fullmatch(piece) or (before and len(piece) <= 80 and _SIGNATURE.fullmatch(piece))
            if not (closes or signed or not piece):
                break
            keep -= 1
            self.counts["sign_offs"] += bool(closes or signed)
        return text if keep == len(pieces) else head + "".join(pieces[:keep])

    def _promotion(self, text: str) -> str:
        if not _PROMOTION.search(text):
            return text
        cuts = [0, *(m.end() for m in _SENTENCE_END.finditer(text))]
        pieces = [text[a:b] for a, b in zip(cuts, [*cuts[1:], None], strict=True)]
        kept = [p for p in pieces if not _PROMOTION.search(p)]
        if not "".join(kept).strip():
            return text
        self.counts["promotion"] += len(pieces) - len(kept)
        return "".join(kept)


def _may_promote(said: frozenset[str]) -> bool:
    """Whether a reply of these words can hold promotion: far quicker than the search itself."""
    return (
        "consult" in said
        or "consultation" in said
        or (("my" in said or "our" in said) and not said.isdisjoint(_OWNED))
        or ("me" in said and not said.isdisjoint(_REACHED))
        or not said.isdisjoint(_OFFERED)
    )


def spoken(text: str) -> str:
    """The words of a turn as it came, by which exact duplicates are recognised; markup only separates words."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "<" in text:
        text = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    return words(html.unescape(text) if "&" in text else text)


def _tag(match: re.Match[str]) -> str:
    block = match[1]
    if not block:
        return ""
    return "\n" if block.lower() == "br" else "\n- " if match[0].lower().startswith("<li") else "\n\n"
