"""Names of people in free text: by a list of given names, and by what stands before or after them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

_TOKEN = r"[^\W\d_]+(?:[’'\-][^\W\d_]+)*"
_WORD = re.compile(_TOKEN)
# The set comes first, so that the search skips to it; what stands before the capital is checked afterwards.
_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-ÞĀ-ſ](?<!\w.)[^\W\d_]*(?:[’'\-][^\W\d_]+)*")
_CAP = rf"(?=[^\W\d_a-zß-öø-ÿ]){_TOKEN}"
_CAPS = rf"((?:[A-Z]\. ?)?{_CAP}(?: {_CAP}|\.? [A-Z]\.)?(?: {_CAP})?)"
_KIN = (
    "husband|wife|partner|spouse|fianc[ée]+|boyfriend|girlfriend|bf|gf|ex|ex-husband|ex-wife|ex-boyfriend|ex-girlfriend|"
    "son|daughter|child|baby|kid|twins?|mother|mom|mum|father|dad|stepdad|stepmom|stepmum|stepfather|stepmother|stepson|"
    "stepdaughter|parents|brother|sister|half-brother|half-sister|stepbrother|stepsister|cousin|uncle|aunt|auntie|"
    "niece|nephew|grandmother|grandma|gran|nan|grandfather|grandpa|granddaughter|grandson|friend|bestie|mate|buddy|"
    "roommate|room ?mate|flatmate|housemate|neighbou?r|boss|manager|supervisor|colleague|coworker|co-worker|teacher|"
    "tutor|therapist|counsell?or|psychiatrist|psychologist|doctor|nurse|pastor|priest|coach|lawyer|landlord|sponsor|"
    "mother-in-law|father-in-law|sister-in-law|brother-in-law|son-in-law|daughter-in-law|crush|lover|mistress"
)
_TITLE = (
    r"(?:Dr|DR|Mr|Mrs|Ms|Mx|Prof|Rev|Fr|Sgt|Lt|Capt|Hr|Sra?|Mme|Mlle)\b\.?(?: med\.)?|(?:Miss|Professor|Doctor|Pastor|"
    r"Father|Mother|Reverend|Coach|Officer|Detective|Sergeant|Judge|Nurse|Uncle|Aunt|Auntie|Aunty|Tante|Tio|Tía|Grandma|"
    r"Grandpa|Granny|Nana|Sister|Brother|Baby|Rabbi|Imam|Herr|Frau|Señora?|Madame|Lady|Sir|Cousin)"
)
CREDENTIAL = (
    r"(?:L\.?C\.?S\.?W|LMFT|LMHC|LPC-?S?|LPCC|LCPC|LICSW|LMSW|MFT|MSW|NCC|Ph\.? ?D|Psy\.? ?D|Ed\.? ?D|M\.? ?D|"
    r"M\.?A|M\.?Ed|RN|CADC|CAP)\b"
)
_AFTER_CUE = (
    re.compile(
        r"(?i:\b(?:names? (?:is|was|are)|name['’]s|named|nicknamed|(?:am|i['’]m|man|woman|guy|girl|boy|lady|someone|"
        r"person|friend|is|was) called|goes by|go by|call(?:s|ed)? (?:me|him|her)|known as|signed,|ich hei(?:ß|ss)e|"
        r"heißt|je m['’]appelle|s['’]appelle|me llamo|se llama|mi nombre es|mi chiamo|meu nome é|jag heter|ik heet|"
        rf"regards,|sincerely,|wishes,|love,|yours,))\s+(?:{_TITLE} )?{_CAPS}"
    ),
    re.compile(
        rf"(?i:\b(?:my|our|his|her|their|your|the)\s+(?:[\w-]+\s){{0,2}}?(?:{_KIN})"
        rf"(?:['’]s name is| is called| named)?),?\s(?:{_TITLE}\s)?{_CAPS}"
    ),
    re.compile(rf"\b(?:{_TITLE})\s{_CAPS}"),
    re.compile(
        rf"(?:^|\n|[.!?]\s)\s*(?i:hi|hello|hey|dear|hola|hallo|bonjour|thanks|thank you|good morning),?\s"
        rf"(?:(?:{_TITLE})\s)?{_CAPS}(?=\s*(?:[,.!;:\n–-]|$))"
    ),
    re.compile(
        r"(?i:\b(?:luck|well|care|best|regards|wishes|sincerely|warmly|blessings|cheers|thanks|love|peace))"
        rf"\s*[,.!]+\s*{_CAPS}(?=\s*(?:$|\n|, ?[A-Z]{{2}}))"
        rf"|\b(?i:luck|well|care|best|regards|wishes)\n+{_CAPS}(?=\s*(?:$|\n))"
    ),
    # People are told, met and missed; other things with a capital letter are in the list of what is not a name.
    re.compile(
        r"\b(?:told|tell|asked|ask|forgive|forgave|marry|married|dating|dated|met|miss|hate|love|loved|trust|trusted|"
        rf"texted|hugged|kissed|of|from|with)\s{_CAPS}"
    ),
)
_VERBS = frozenset(
    "told tell asked ask forgive forgave marry married dating dated met miss hate love loved trust trusted texted "
    "hugged kissed".split()
)
_NAMED = frozenset(
    "is was are name's named nicknamed called by me him her as signed heiße heisse heißt m'appelle s'appelle llamo "
    "llama es chiamo é heter heet regards sincerely wishes love yours".split()
)
_GREETED = frozenset("hi hello hey dear hola hallo bonjour thanks you morning".split())
_CLOSED = frozenset("luck well care best regards wishes sincerely warmly blessings cheers thanks love peace".split())
"""The last words of the cues above: a cue is tried only where one of its own stands before a capital."""
_REMIND = re.compile(r"\b(?:remind(?:s|ed)? \w+ of|split from|broke up with|(?:together|lives?|living) with) $")
_BEFORE_CUE = re.compile(r",? (?:said|says|told|texted|cheated|yelled|shouted|dumped|lied|passed away|and I|and me)\b")
# There are too many degrees to list: after a comma, any word in capitals is one unless it is a state or country.
_CREDENTIALED = re.compile(rf"\b{_CAPS}(?:,?\s+{CREDENTIAL}|,\s+(?!USA?\b|UK\b)[A-Z]{{3,6}}\b)")
_DEGREES = frozenset(
    "LCSW LMFT LMHC LPC LPCC LCPC LICSW LMSW MFT MSW NCC PhD PsyD EdD MD MA MEd RN CADC CAP Ph Psy Ed".split()
)
_AND = re.compile(rf"(?:,? and| &| or)\s({_CAP})")
_MORE = re.compile(rf"(?: (?:[A-Z]\.|de|da|van|von|del|la|bin|al|O))?[ ]({_CAP})")
_PLACE = re.compile(r"\b(?:San|Santa|Santo|St\.?|Saint|North|South|New|Port|Fort|Lake|Mount)\s$")
_STARTS = re.compile(r"(?:^|[.!?:\n\"“(–—*-]\s*)$")
_SAYS = re.compile(r" (?:says|told|texted|wants me|keeps|cheated|and I)\b")
_INTRODUCES = re.compile(r"(?i:\b(?:i['’]m|i am|this is)\s)$")
_STOPS = re.compile(r"\s*(?:[,.!\n]|and I\b|$)")
_AROUND = 60
"""How far back a cue may begin, in characters."""


@lru_cache(maxsize=1)
def _lists() -> dict[str, frozenset[str]]:
    text = files("counsel.data.cleaning").joinpath("names.txt").read_text(encoding="utf-8")
    found: dict[str, frozenset[str]] = {}
    for part in re.split(r"^\[", text, flags=re.MULTILINE)[1:]:
        name, body = part.split("]", 1)
        found[name] = frozenset(body.split())
    kin = {k for k in re.sub(r"\[é\]\+|\?", "", _KIN).split("|") if " " not in k} | {
        "fiancée",
        "fiancee",
        "twin",
    }
    titles = re.findall(r"[^\W\d_]{2,}", _TITLE.casefold())
    found["either"] = found["words"] | found["capital"]
    found["kin"] = frozenset(kin) | {k.split("-")[-1] for k in kin}
    found["titles"] = frozenset(titles)
    return found


@lru_cache(maxsize=1)
def _cues() -> dict[str, tuple[re.Pattern[str], ...]]:
    """The patterns that are worth trying, for the last word of each cue."""
    lists = _lists()
    named, related, titled, greeted, closed, told = _AFTER_CUE
    cues: dict[str, tuple[re.Pattern[str], ...]] = {}
    for words, pattern in (
        (_NAMED, named),
        (lists["kin"] | {"is", "called", "named"}, related),
        (lists["titles"], titled),
        (_GREETED, greeted),
        (_CLOSED, closed),
        (_VERBS, told),
    ):
        for word in words:
            cues[word] = (*cues.get(word, ()), pattern)
    return cues


def find(text: str, said: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The places of names in ``text``, titles and possessive endings left out.

    Args:
        text: one turn.
        said: its words in lower case, which spare most of the work.
    """
    lists = _lists()
    found: set[tuple[int, int]] = set()
    never = lists["no"]
    capitals = [(m.start(), m[0]) for m in _CAPITAL.finditer(text) if m[0].casefold() not in never]
    for start, token in capitals:
        found.update(_by_surroundings(text, start, token))
    if any(token in _DEGREES or (token.isupper() and len(token) > 2) for _, token in capitals):
        for match in _CREDENTIALED.finditer(text):
            found.update(_names_of(match.start(1), match[1], lists["either"]))
    if not said.isdisjoint(lists["given"]):
        for start, token in _tokens_of(text, said & lists["given"]):
            if not _PLACE.search(text[max(0, start - 6) : start]):
                found.add(_extend(text, start, start + len(token)))
    if found:
        yield from _again(text, capitals, found)


def _tokens_of(text: str, wanted: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Where the wanted words begin a token of ``text``, in any case, with the whole token."""
    folded = text.lower()
    if len(folded) != len(text):  # a letter whose lower case is longer would shift everything after it
        folded = "".join(c if len(c.lower()) > 1 else c.lower() for c in text)
    for word in wanted:
        at = folded.find(word)
        while at >= 0:
            end = at + len(word)
            if not folded[at - 1 : at].isalpha() and not folded[end : end + 1].isalpha():
                match = _WORD.match(text, at)
                if match:
                    yield at, _bare(match[0])
            at = folded.find(word, end)


def _by_surroundings(text: str, start: int, token: str) -> Iterator[tuple[int, int]]:
    """A capitalised word that is a name because of what stands around it."""
    lists = _lists()
    bare = _bare(token)
    folded = bare.casefold()
    if folded in lists["no"] or folded.removesuffix("s") in lists["no"]:
        return
    before = text[max(0, start - 24) : start]
    last = before.rstrip(" ,.!\n").rpartition(" ")[2].rpartition("\n")[2].replace("’", "'").casefold()
    cues = _cues()
    if last in cues or (last := last.rpartition("-")[2]) in cues:
        for pattern in cues[last]:
            match = _ending_at(pattern, text, start)
            if match:
                yield from _names_of(start, match)
    elif last in ("of", "from", "with") and _REMIND.search(before):
        match = _ending_at(_AFTER_CUE[-1], text, start)
        yield from _names_of(start, match or "")
    end = start + len(bare)
    if folded in lists["either"]:
        yield from _ambiguous(text, start, end, folded)
    elif _BEFORE_CUE.match(text, end) and not folded.endswith("ing"):
        yield start, end


def _ending_at(pattern: re.Pattern[str], text: str, start: int) -> str | None:
    """What a cue's pattern takes for a name at ``start``, if anything."""
    for match in pattern.finditer(text, max(0, start - _AROUND), start + _AROUND):
        found = match.lastindex or 1
        if match.start(found) == start:
            return match[found]
    return None


def _bare(token: str) -> str:
    return token[:-2] if token[-2:] in ("'s", "’s", "'S", "’S") else token


def _is_name(token: str) -> bool:
    bare = _bare(token).casefold()
    return token[:1].isupper() and not {bare, bare.removesuffix("s")} & _lists()["no"]


def _names_of(start: int, caps: str, never: frozenset[str] = frozenset()) -> Iterator[tuple[int, int]]:
    """The leading capitalised words that can be a name, as one place."""
    end = start
    for match in _WORD.finditer(caps):
        if not _is_name(match[0]) or (end == start and _bare(match[0]).casefold() in never):
            break
        end = start + match.start() + len(_bare(match[0]))
    if end > start:
        yield start, end


def _extend(text: str, start: int, end: int) -> tuple[int, int]:
    """A given name with the family name after it."""
    for _ in range(2):
        match = _MORE.match(text, end)
        if not match or not _is_name(match[1]):
            break
        end = match.start(1) + len(_bare(match[1]))
    return start, end


def _ambiguous(text: str, start: int, end: int, folded: str) -> Iterator[tuple[int, int]]:
    """A word that may be a name: by its capital within a sentence, a family name after it, or what it does."""
    lists = _lists()
    before = text[max(0, start - 12) : start]
    more = _MORE.match(text, end)
    if _PLACE.search(before):
        return
    is_inside = folded in lists["capital"] and not _STARTS.search(before)
    has_family = more and _bare(more[1]).casefold() in lists["family"]
    introduces = _INTRODUCES.search(before) and _STOPS.match(text, end)
    if is_inside or has_family:
        yield _extend(text, start, end)
    elif introduces or _SAYS.match(text, end):
        yield start, end


def _again(text: str, capitals: list[tuple[int, str]], found: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The places found, the names joined to them by "and", and every other place of the same names."""
    for _, end in list(found):
        match = _AND.match(text, end)
        while match and _is_name(match[1]):
            at = match.start(1)
            end = at + len(_bare(match[1]))
            found.add(_extend(text, at, end))
            match = _AND.match(text, end)
    same = {w for a, b in found for w in _WORD.findall(text[a:b]) if len(w) > 1 and w[0].isupper()}
    same -= {w for w in same if w.casefold() in _lists()["either"]}
    yield from found
    for start, token in capitals:
        if _bare(token) in same:
            yield start, start + len(_bare(token))
