"""Ways to reach somebody, and data about a person, in a reply: what a model must never make up.

Only numbers and sites that the caller allows pass. Numbers are found by their digits however they are written (spaced,
dashed, dotted, in words). Years, times, ages, counts, 24/7, 5-4-3-2-1 and 4-7-8 are not numbers to call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from counsel.safety.reading.letters import GONE, plain
from counsel.safety.verdict import Kind

Found = tuple[Kind, int, int]
_SINGLE = {w: str(n) for n, w in enumerate("zero one two three four five six seven eight nine".split())} | {
    "oh": "0", "cero": "0", "uno": "1", "dos": "2", "tres": "3", "cuatro": "4", "cinco": "5", "seis": "6", "siete": "7",
    "ocho": "8", "nueve": "9",
}  # fmt: skip
_TEENS = {w: str(n + 10) for n, w in enumerate(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split())}  # fmt: skip
_TENS = {w: str(n) for n, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join([*_SINGLE, *_TEENS, *_TENS, 'double', 'triple', 'hundred'])})\b")

_RUN = re.compile(r"\d(?:[\s().\-/·•_*,‐-—+]{0,4}\d)*")
_GROUP = re.compile(r"\d+")
_WORDS = re.compile(r"[a-z]+")
_CALLED = frozenset(
    "call calling dial dialing dialling text texting ring phone phoning telephone tel sms whatsapp number numbers "
    "helpline hotline lifeline fax message llama llamar llame marca marcar marque telefono numero linea reach contact "
    "code".split()
)
_LINE = re.compile(
    r"\W{0,3}(?:(?:is|are|has|will be|can be)\s"
    r"(?:there|here|free|open|available|answered|staffed|always|called|reached)"
    r"|(?:suicide|crisis|emergency)|(?:help|hot|life)line|operator|at any (?:time|hour)|esta)\b"
)
_UNIT = re.compile(
    r"\s?(?:%|percent|per cent|°|€|£|\$|(?:people|persons?|friends?|times|days?|weeks?|months?|years?|hours?|minutes?|"
    r"mins?|seconds?|dollars?|euros?|pounds?|steps|words|pages?|men|women|kids|children|others|reasons|things|ways|am|pm|"
    r"a\.m|p\.m|o'clock|kg|km|miles|met(?:er|re)s|feet|million|thousand|hundred|mg|ml|breaths?|questions|years|años|"
    r"horas|dias|semanas|minutos|personas|veces|calories|kcal|members|relatives|colleagues|of)\b)"
)
_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:19|20)?\d\d|(?:19|20)\d\d([./-])\d\d\2\d\d")
_YEARS = re.compile(r"(?:19|20)\d\d(?:[\s,./–—-]{1,3}(?:19|20)\d\d)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d\.\d+")
_VANITY = re.compile(r"\b(?:1[-. ])?[18]\d\d[-. ]{1,3}[A-Z][A-Z\-. ]{2,12}[A-Z]\b")
_CARD = re.compile(r"(?:\d{4}[ -]?){3}\d{1,7}")
_SOCIAL = re.compile(r"\d{3}[-. ]\d{2}[-. ]\d{4}")

_DOT = r"(?:\s?[(\[{]\s?(?:dot|punto|\.)\s?[)\]}]\s?|\s{1,3}(?:dot|punto)\s{1,3}|\.)"
_DOMAIN = re.compile(rf"(?<![a-z0-9@.])[a-z0-9][a-z0-9-]{{0,62}}(?:{_DOT}[a-z0-9-]{{1,62}}){{1,5}}")
_SPACED_DOMAIN = re.compile(r"(?<![a-z0-9@.-])[a-z0-9-]{2,62}\s?\.\s?(?:com|org|net)\b")
_DOTS = re.compile(_DOT)
_LINK = re.compile(
    r"(?:https?|hxxps?|ftp)\s?:\s?/\s?/?\s?([^\s<>\"')\]]{1,300})|\bwww\d?\s?\.\s?([^\s<>\"')\]]{1,300})"
)
_TLD = frozenset(
    "com org net edu gov info biz io co uk ca au nz es fr de eu int app ai ly gg tv help chat online site health care "
    "mil xyz club shop dev page link life live mx ar cl pe nhs".split()
)
_SPELLED = frozenset("com org net info edu help".split())
"""Ends of a host after "dot" in letters; others are words as well ("a punto de")."""
_EMAIL = re.compile(
    r"(?<![a-z0-9._%+'-])[a-z0-9._%+'-]{1,64}\s?@\s?[a-z0-9-]{1,63}(?:(?:\.[a-z0-9-]{2,63}){1,4}|\s?\.\s?(?:com|org|net)\b)"
    rf"|(?<![a-z0-9._-])[a-z0-9._-]{{1,64}}\s?(?:\(at\)|\[at\]|\{{at\}}|\bat\b|\barroba\b)\s?[a-z0-9-]{{1,63}}{_DOT}(?:com|org|net|edu|es|uk)\b"
)
_HANDLE = re.compile(r"(?<![a-z0-9._])@[a-z0-9_][a-z0-9_.]{2,30}")

_STREET = re.compile(
    r"\b\d{1,5}[A-Za-z]?,?\s(?:[A-Z][\w'’.-]{1,20}\s){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|"
    r"Court|Ct|Place|Pl|Square|Sq|Terrace|Way|Close|Crescent|Gardens|Grove|Row|Mews)\b"
    r"|\b\d{1,5}\s[a-z]{3,20}\s(?:street|avenue|boulevard|lane|road|drive)\b"
    r"|\b(?:Calle|Avenida|Avda\.|Plaza|Paseo)\s(?:(?:de|del|la|las|los)\s){0,2}[A-ZÁÉÍÓÚ][\wáéíóúñ]{1,20},?\s(?:n[.º°]\s?)?\d{1,4}\b"
    r"|\b[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}\b|\b[A-Z][a-z]{1,20},\s[A-Z]{2}\s\d{5}\b"
)
_NO_STREET = re.compile(
    r"\d+\s(?:minutes?|hours?|miles?|blocks?|steps|days?|weeks?|years?|months?|more|long|other|different)\b"
)
_BORN = re.compile(
    r"\b(?:born on|born|date of birth|birthday|dob|nacio el|nacid[oa] el)\b[^\d\n]{0,20}"
    r"\d{1,4}[^\n]{0,3}[./-]\d{1,2}[./-]\d{2,4}"
)
_HELD = re.compile(
    r"\b(?:case|policy|patient|client|member|account|insurance|passport|social security|record|file|card|license|"
    r"licence|student|badge)\s(?:number|no|id|code)\b[^\d\n]{0,12}(\d[\d -]{3,20})|\b([a-z]{1,3}-?\d{6,9})\b"
)
_ABOUT_A_PERSON = re.compile(
    r"\b(?:his|her|their|client|patient|neighbou?r|named|whose|called)\b[^.\n]{0,60}(?:number|phone|mobile|cell|e-?mail|address)"
    r"|\b[a-z]+'s\s(?:\w+\s)?(?:number|phone|mobile|cell|e-?mail|address)|\b(?:lives|live|works|stays)\s(?:at|on|in)\b"
)


class Reach:
    """Finds contacts and personal data.

    Args:
        numbers: telephone numbers that may be named, in any writing.
        sites: web hosts that may be named, their subdomains with them.
        said: the person's own words; what they gave themselves may be repeated to them.
    """

    def __init__(self, numbers: frozenset[str], sites: frozenset[str], said: str) -> None:
        digits = {"".join(_GROUP.findall(n)) for n in numbers} - {""}
        self._numbers = digits | {d[1:] for d in digits if len(d) == 11 and d[0] == "1"}
        self._sites = frozenset(_host(s) for s in sites) - {""}
        lowered = plain(said).replace(GONE, "")
        self._said = " ".join(lowered.split())
        self._said_digits = frozenset("".join(_GROUP.findall(m[0])) for m in _RUN.finditer(lowered))

    def find(self, text: str) -> Iterator[Found]:
        """Every contact and personal datum, as (kind, start, end) in ``text``."""
        lowered, places = _solid(text)
        about = bool(_ABOUT_A_PERSON.search(lowered))
        contact: Kind = "personal_data" if about else "contact"
        for kind, start, end in self._personal(text):
            yield kind, start, end
        for kind, start, end in (*self._internet(lowered, contact), *self._numbered(lowered, contact)):
            yield kind, places[start], places[end - 1] + 1
        for match in _VANITY.finditer(text):
            if "".join(_GROUP.findall(match[0])) not in self._numbers:
                yield "contact", *match.span()

    def _internet(self, text: str, contact: Kind) -> Iterator[Found]:
        if "@" in text or "at" in text or "arroba" in text:
            for match in _EMAIL.finditer(text):
                host = _DOTS.sub(".", re.split(r"@|\bat\b|arroba", match[0])[-1]).replace(" ", "")
                if not self._is_site(host) and " ".join(match[0].split()) not in self._said:
                    yield contact, *match.span()
            for match in _HANDLE.finditer(text):
                if match[0].rstrip(".") not in self._said:
                    yield contact, *match.span()
        for match in _LINK.finditer(text):
            if not self._is_site(_host(match[1] or match[2] or "")):
                yield "contact", *match.span()
        if "." in text or " dot " in text or "(dot" in text or "[dot" in text or "punto" in text:
            for match in (*_DOMAIN.finditer(text), *_SPACED_DOMAIN.finditer(text)):
                host = _DOTS.sub(".", match[0]).replace(" ", "")
                labels = host.split(".")
                has_path = (
                    text[match.end() : match.end() + 1] == "/" and text[match.end() + 1 : match.end() + 2].isalnum()
                )
                is_spelled = "." not in match[0]
                is_host = labels[-1] in (_SPELLED if is_spelled else _TLD) or (
                    has_path and labels[-1].isalpha() and len(labels[-1]) > 1
                )
                if is_host and not all(len(x) == 1 for x in labels) and not self._is_site(host):
                    yield "contact", *match.span()

    def _is_site(self, host: str) -> bool:
        host = _host(host)
        return any(host == s or host.endswith(f".{s}") for s in self._sites)

    def _numbered(self, text: str, contact: Kind) -> Iterator[Found]:
        for match in _HELD.finditer(text):
            digits = "".join(_GROUP.findall(match[0]))
            if digits not in self._said_digits:
                yield "personal_data", *match.span()
        view, where = _in_figures(text)
        for match in _RUN.finditer(view):
            kind = self._kind_of_run(view, match.start(), match.end(), contact)
            if kind:
                yield kind, where[match.start()], where[match.end()]

    def _kind_of_run(self, view: str, start: int, end: int, contact: Kind) -> Kind | None:
        run = view[start:end]
        groups = _GROUP.findall(run)
        digits = "".join(groups)
        if len(digits) < 3 or self._is_allowed(groups, digits):
            return None
        called = self._is_called(view, start, end)
        if digits in self._said_digits and not (called and len(digits) < 7 and contact == "contact"):
            return None
        if _SOCIAL.fullmatch(run) or (len(digits) >= 13 and _CARD.fullmatch(run)):
            return "personal_data"
        if _is_plain(run, groups, digits, called) or _UNIT.match(view, end):
            return None
        if len(digits) >= 7:
            return contact
        if not called or (len(groups) == 1 and len(digits) == 4 and digits[:2] in ("19", "20")):
            return None
        return contact

    def _is_allowed(self, groups: list[str], digits: str) -> bool:
        if digits in self._numbers or (len(digits) == 11 and digits[0] == "1" and digits[1:] in self._numbers):
            return True
        # Numbers that stand side by side, as in "988, 24/7": each must be allowed or too short to call.
        reached = {0: False}
        for i in range(len(groups)):
            if i not in reached or len(groups) > 12:
                continue
            for j in range(i + 1, len(groups) + 1):
                if "".join(groups[i:j]) in self._numbers:
                    reached[j] = True
            if len(groups[i]) < 3:
                reached[i + 1] = reached.get(i + 1, False) or reached[i]
        return reached.get(len(groups), False)

    @staticmethod
    def _is_called(view: str, start: int, end: int) -> bool:
        before = _WORDS.findall(view[max(0, start - 48) : start])[-6:]
        return not _CALLED.isdisjoint(before) or bool(_LINE.match(view, end))

    def _personal(self, text: str) -> Iterator[Found]:
        for match in _STREET.finditer(text):
            if not _NO_STREET.match(match[0]) and not self._is_said(match[0]):
                yield "personal_data", *match.span()
        for match in _BORN.finditer(plain(text)):
            if not self._is_said(match[0]):
                yield "personal_data", *match.span()

    def _is_said(self, words: str) -> bool:
        return " ".join(plain(words).replace(GONE, "").split()) in self._said


def _host(address: str) -> str:
    """The host of a web address as it is written."""
    rest = address.lower().split("://")[-1]
    host = rest.split("/")[0].split("?")[0].split("#")[0].split("@")[-1].split(":")[0]
    return host.removeprefix("www.").strip(". ,;!?)")


def _solid(text: str) -> tuple[str, list[int] | range]:
    """Plain text without characters that mean nothing, and the place of each character."""
    lowered = plain(text)
    if GONE not in lowered:
        return lowered, range(len(lowered))
    kept = [(i, c) for i, c in enumerate(lowered) if c != GONE]
    return "".join(c for _, c in kept), [i for i, _ in kept]


def _is_plain(run: str, groups: list[str], digits: str, called: bool) -> bool:
    """Whether the digits are plainly not a number to call."""
    if _DATE.fullmatch(run) or _YEARS.fullmatch(run) or _THOUSANDS.fullmatch(run) or groups[:2] == ["24", "7"]:
        return True
    if groups == ["4", "7", "8"]:
        return True
    values = [int(g) for g in groups if len(g) <= 3]
    if len(values) != len(groups) or len(values) < 3:
        return False
    steps = {b - a for a, b in zip(values, values[1:], strict=False)}
    is_counting = len(steps) == 1 and 0 not in steps and all(len(g) < 3 or g.endswith("0") for g in groups)
    return is_counting or (not called and len(digits) < 7 and len(groups) >= 3 and "," in run)


def _in_figures(text: str) -> tuple[str, list[int]]:
    """The text with number words in figures; each character's place in ``text``, and one place more for the end."""
    out: list[str] = []
    where: list[int] = []
    last = 0

    def put(piece: str, start: int, end: int) -> None:
        for i, c in enumerate(piece):
            out.append(c)
            where.append(start + i if end - start == len(piece) else start)

    words = list(_NUMBER_WORD.finditer(text))
    at = 0
    ends: dict[int, int] = {}
    while at < len(words):
        match = words[at]
        put(text[last : match.start()], last, match.start())
        figures, used = _figures(text, words, at)
        stop = words[at + used - 1].end()
        put(figures, match.start(), stop)
        ends[len(out)] = stop
        last = stop
        at += used
    put(text[last:], last, len(text))
    where.append(len(text))
    # The end of a run that ends in a word lies behind that word.
    for i, stop in ends.items():
        where[i] = stop if i < len(where) and where[i] >= stop else where[i]
    return "".join(out), where


def _figures(text: str, words: list[re.Match[str]], at: int) -> tuple[str, int]:
    """The figures that a number word stands for with the word after it, and how many words were taken."""
    word = words[at][0]
    following = words[at + 1][0] if at + 1 < len(words) and _is_next(text, words[at], words[at + 1]) else ""
    if word in _TENS:
        return (
            (_TENS[word] + _SINGLE[following], 2)
            if following in _SINGLE and following != "oh"
            else (_TENS[word] + "0", 1)
        )
    if word in ("double", "triple"):
        return (_SINGLE[following] * (2 if word == "double" else 3), 2) if following in _SINGLE else (word, 1)
    if word in _SINGLE and following == "hundred":
        return _SINGLE[word] + "00", 2
    return _SINGLE.get(word) or _TEENS.get(word) or word, 1


def _is_next(text: str, first: re.Match[str], second: re.Match[str]) -> bool:
    return second.start() - first.end() <= 1
