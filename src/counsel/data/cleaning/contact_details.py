"""Ways to reach somebody: e-mail addresses, web addresses, telephone numbers, helplines.

Telephone numbers are found by their digits, not by national forms: any run of seven or more digits with at
most four signs between two of them is one, unless it plainly is a date, years, a sum, a decimal or a count.
The registry says which of them are helplines (``counsel.helplines``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from counsel.helplines import distinct_numbers, national, recognised_numbers

_END = r"(?:com|org|net|edu|gov|info|biz|io|co|tv|uk|co\.uk|org\.uk|ac\.uk|de|fr|nl|ca|com\.au|org\.au|example)"
EMAIL = re.compile(
    r"[\w.+'’-]*\w@[\w-]+(?:\.(?:[a-z0-9-]+|[A-Z0-9-]+)(?!\w))+"
    r"|\b[\w.+-]+ ?(?:\(at\)|\[at\]|\{at\}| at ) ?[\w-]+(?: ?(?:\.|\(dot\)|\[dot\]|\{dot\}) ?[a-z]{2,})+"
    r"|\b\w+(?: dot \w+)* at \w+(?: dot \w+)* dot (?:com|org|net|edu|gov|info|uk|de|fr)\b",
)
HANDLE = re.compile(r"(?<![\w@])@\w{2,}[\w.-]*\w|\S*\w@\w(?:\S*\w)?")
URL = re.compile(
    r"(?:https?|ftp)://[^\s<>]*[^\s<>.,;:!?)\]'\"”’]|\bwww\d?\.[^\s<>]*[^\s<>.,;:!?)\]'\"”’]"
    rf"|(?<![@\w.-])(?:[A-Za-z0-9-]+\.)+(?:{_END}|{_END.upper()})\b(?:/[^\s<>]*[^\s<>.,;:!?)\]'\"”’])?",
)

_DOMAIN = re.compile(rf"\.(?:{_END}|{_END.upper()})\b")

_GAP = r"[^\S\n]|[().\[\]/·•_*\-‐‑‒–—−]"
_RUN = re.compile(rf"[+(\[]{{0,2}}\d(?:(?:{_GAP}){{0,4}}\d){{2,}}")
_EXTENSION = re.compile(r"[)\]]?[ ,]*(?:ext(?:ension)?\.?|x)[ .:]*\d{1,6}\b", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"\d+")
_DATE = re.compile(
    r"(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|[12]\d|3[01])\1(?:19|20)?\d\d|(?:19|20)\d\d([./-])(?:0?[1-9]|1[0-2])\2"
    r"(?:0?[1-9]|[12]\d|3[01])"
)
_YEARS = re.compile(r"(?:19|20)\d\d(?: ?[-–—/] ?(?:19|20)\d\d)+")
_CALL = re.compile(
    r"\b(?:call|calling|called|phone|telephone|tel|ring|rang|dial|dialling|text|texting|fax|mobile|cell|pager|whatsapp|"
    r"hotline|helpline|lifeline|handy|nummer|numéro|teléfono|telefono|numero|número|n[uú]mer|(?:my|the|his|her|their|"
    r"phone|our|your) number|reach (?:me|us|him|her|them)|partner is)\b"
    r"[\s:.,#()-]*(?:(?:is|'s|’s|me|us|him|her|them|on|at|to|the|number|HOME|HELLO|SHOUT|TALK|START|out|or|text|"
    r"call|now|also|always|can|am|est|ist|es)\b[\s:.,-]*){0,5}(?:\d{2,3} or )?$",
    re.IGNORECASE,
)
_AROUND = 60
"""How many characters back a word of calling or of paying is looked for."""
_UNIT = re.compile(
    r"[^\S\n]?(?:%|percent|°|€|£|\$|(?:people|persons?|times|days?|weeks?|months?|years?|hours?|minutes?|mins?|seconds?|"
    r"dollars?|euros?|pounds?|bucks|usd|eur|kg|lbs?|miles?|km|met(?:er|re)s?|feet|steps|words|pages?|friends|men|women|"
    r"kids|children|calories|points|patients|clients|students|others|mg|ml|am|pm|a\.m|p\.m|o'clock|copies|reasons|"
    r"sessions|views|followers|messages|million|thousand|th|st|nd|rd)\b)",
    re.IGNORECASE,
)
_SUM = re.compile(
    r"(?:[$€£¥]|\b(?:usd|eur|gbp|spent|spend|costs?|paid|pay|earn(?:ed|s|ing)?|owes?|owed|worth|about|around|over|"
    r"nearly|almost|than|saved|won|lost|of))[^\S\n]?$",
    re.IGNORECASE,
)
_LETTERS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
_VANITY = re.compile(
    r"(?:\+?1[-. ]?)?\(?\b(?:8(?:00|33|44|55|66|77|88)|1[38]00|0800)\)?[-. ]?(?=[\d. -]*[A-Z])"
    r"[A-Z\d](?:[-. ]?[A-Z\d]){5,9}\b"
)
_ONES = "zero|oh|one|two|three|four|five|six|seven|eight|nine"
_SPOKEN = re.compile(
    rf"\b(?:(?=[zotfsednOZTFSEDN\d])(?:{_ONES}|double|triple|\d{{1,4}}))(?:[\s,.-]{{1,3}}(?:{_ONES}|double|triple|\d{{1,4}})\b){{4,}}",
    re.IGNORECASE,
)
_ONE = re.compile(rf"\b(?:{_ONES})\b", re.IGNORECASE)
_COUNTED = frozenset(_ONES.split("|")) - {"one", "two"}
"""A number in words has one of these, while most texts that say "one" or "two" have none."""
_VALUES = {w: n for n, w in enumerate("zero one two three four five six seven eight nine".split())}


def has_digit(text: str) -> bool:
    """Whether the text holds a digit of any script."""
    # Ten searches for one character each are far quicker than one for a class.
    return any(d in text for d in "1023456789") or (not text.isascii() and bool(_DIGIT.search(text)))


def internet(text: str, said: frozenset[str]) -> Iterator[tuple[int, int, str, str]]:
    """The places of e-mail addresses, web addresses and handles, each with its kind and rule."""
    has_at = "@" in text
    if has_at or ("at" in said and ("dot" in said or "(at" in text or "[at" in text or "{at" in text)):
        for match in EMAIL.finditer(text):
            yield *match.span(), "email", "email"
    if "://" in text or "www" in text or _DOMAIN.search(text):
        for match in URL.finditer(text):
            yield *match.span(), "url", "url"
    if has_at:
        for match in HANDLE.finditer(text):
            yield *match.span(), "name", "handle"


def phones(text: str, said: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    """The places of telephone numbers, each with its kind, ``phone`` or ``helpline``.

    Args:
        text: one turn.
        said: its words in lower case.
    """
    if not said.isdisjoint(_COUNTED):
        for match in _SPOKEN.finditer(text):
            if _spoken_digits(match[0]) >= 7:
                yield *match.span(), "phone"
    if not has_digit(text):
        return
    for match in _VANITY.finditer(text) if "8" in text or "00" in text else ():
        dialled = "".join(c for c in match[0].translate(_LETTERS) if c.isdigit())
        yield *match.span(), "helpline" if national(dialled) in recognised_numbers() else "phone"
    for match in _RUN.finditer(text):
        start, end = match.span()
        kind = _kind_of_run(text, start, end)
        extension = _EXTENSION.match(text, end) if kind == "phone" else None
        if kind:
            yield start, extension.end() if extension else end, kind
    for match in _distinct_run().finditer(text):
        if not _UNIT.match(text, match.end()):
            yield *match.span(), "helpline"


@cache
def _distinct_run() -> re.Pattern[str]:
    """A number that needs no word of calling before it."""
    return re.compile(rf"(?<![\d$€£#.,/:-])(?:{'|'.join(sorted(distinct_numbers()))})(?!\d|[.,/:-]\d)")


def _kind_of_run(text: str, start: int, end: int) -> str:
    """``phone``, ``helpline``, or nothing for a run of digits that is no telephone number."""
    run = text[start:end]
    digits = "".join(_DIGITS.findall(run))
    before = text[max(0, start - _AROUND) : start]
    is_called = bool(_CALL.search(before))
    is_counted = bool(_UNIT.match(text, end))
    if _is_known(digits, is_called) and not is_counted:
        return "helpline"
    if len(digits) >= 7:
        return "phone" if is_called or not _is_plain(run, digits, before, is_counted) else ""
    if not is_called or is_counted or _YEARS.fullmatch(run) or len(digits) < 4:
        return ""
    return "" if len(digits) == 4 and digits[:2] in ("19", "20") else "phone"


def _is_known(digits: str, is_called: bool) -> bool:
    if len(digits) <= 4:
        return digits in recognised_numbers() and is_called
    return national(digits) in recognised_numbers() and (is_called or len(digits) > 5)


def _is_plain(run: str, digits: str, before: str, is_counted: bool) -> bool:
    """Whether seven or more digits are plainly not a telephone number."""
    run = run.strip("([ ")
    if run.startswith("+"):
        return False
    if _DATE.fullmatch(run) or _YEARS.fullmatch(run):
        return True
    groups = _DIGITS.findall(run)
    if re.fullmatch(r"(?:\d|[1-9]\d)\.\d+", run):  # a decimal
        return True
    if len(groups) == 2 and all(g.endswith("00") for g in groups) and int(groups[0]) < int(groups[1]):
        return bool(re.fullmatch(r"\d+ ?[-–—] ?\d+", run))  # from one round number to another
    counted = [int(g) for g in groups if len(g) <= 2]
    if len(counted) == len(groups) >= 5 and {b - a for a, b in zip(counted, counted[1:], strict=False)} in (
        {1},
        {-1},
    ):
        return True  # counting up or down
    is_grouped = bool(re.fullmatch(r"[1-9](?:([ .])\d{3})(?:\1\d{3})*", run))  # 1 234 567
    if is_grouped:
        return True
    is_sum = len(groups) == 1 and (_SUM.search(before) or is_counted)
    return bool(is_sum and (digits.endswith("000") or re.search(r"[$€£¥]\s?$", before)))


def _spoken_digits(run: str) -> int:
    """How many digits a spoken number has; 0 for counting and for numbers written mostly in figures."""
    spoken = _ONE.findall(run)
    values = [_VALUES.get(w.casefold(), 0) for w in spoken]
    steps = {b - a for a, b in zip(values, values[1:], strict=False)}
    if len(spoken) < 3 or (steps in ({1}, {-1}) and len(spoken) >= 5):
        return 0
    words = len(re.findall(r"double", run, re.IGNORECASE)) + 2 * len(re.findall(r"triple", run, re.IGNORECASE))
    return len(spoken) + words + sum(map(len, _DIGITS.findall(run)))
