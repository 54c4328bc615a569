"""Names of people in free text: by a list of given names, and by what stands before or after them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

_TOKEN = r"[^\W\d_]+(?:[’'\-][^\W\d_]+)*"
_WORD = re.compile(_TOKEN)
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
        r"person|friend|is|was) called|goes by|go by|call(?:s|ed)? (?:me|him|her)|known as|signed,|ich hei(?:ß|ss)e|heißt|"
        r"je m['’]appelle|s['’]appelle|me llamo|se llama|mi nombre es|mi chiamo|meu nome é|jag heter|ik heet|regards,|"
        rf"sincerely,|wishes,|love,|yours,))\s+(?:{_TITLE} )?{_CAPS}"
    ),
    re.compile(
        rf"(?i:\b(?:my|our|his|her|their|your|the)\s+(?:[\w-]+\s){{0,2}}?(?:{_KIN})(?:['’]s name is| is called| named)?),?\s"
        rf"(?:{_TITLE}\s)?{_CAPS}"
    ),
    re.compile(rf"\b(?:{_TITLE})\s{_CAPS}"),
    re.compile(
        rf"(?:^|\n|[.!?]\s)\s*(?i:hi|hello|hey|dear|hola|hallo|bonjour|thanks|thank you|good morning),?\s"
        rf"(?:(?:{_TITLE})\s)?{_CAPS}(?=\s*(?:[,.!;:\n–-]|$))"
    ),
    # People are told, met and missed; other things with a capital are in the list of what is no name.
    re.compile(
        r"\b(?i:told|tell|asked|ask|forgive|forgave|marry|married|dating|dated|met|miss|hate|love|loved|trust|trusted|"
        rf"texted|hugged|kissed|remind(?:s|ed)? \w+ of|split from|broke up with|together with|live with|lives with)\s{_CAPS}"
    ),
)
_BEFORE_CUE = (
    re.compile(rf"\b{_CAPS},?\s+{CREDENTIAL}"),
    re.compile(
        rf"\b{_CAPS}(?=,? (?:said|says|told|texted|cheated|yelled|shouted|dumped|lied|passed away|and I|and me)\b)"
    ),
)
_AND = re.compile(rf"(?:,? and| &| or)\s({_CAP})")
_PLACE = re.compile(r"\b(?:San|Santa|Santo|St\.?|Saint|North|South|New|Port|Fort|Lake|Mount)\s$")
_STARTS = re.compile(r"(?:^|[.!?:\n\"“(–—*-]\s*)$")
_MORE = re.compile(rf"(?: (?:[A-Z]\.|de|da|van|von|del|la|bin|al|O))?[ ]({_CAP})")
_LOWER_CUE = re.compile(rf"(?i:\bi['’]?m|\bi am|\bname is|\bnamed|\bmy (?:{_KIN}))\s$")


@lru_cache(maxsize=1)
def _lists() -> dict[str, frozenset[str]]:
    text = files("counsel.data").joinpath("names.txt").read_text(encoding="utf-8")
    found: dict[str, frozenset[str]] = {}
    for part in re.split(r"^\[", text, flags=re.MULTILINE)[1:]:
        name, body = part.split("]", 1)
        found[name] = frozenset(body.split())
    return found


def find(text: str) -> Iterator[tuple[int, int]]:
    """The places of names in ``text``, titles and possessive endings left out."""
    lists = _lists()
    found: set[tuple[int, int]] = set()
    for pattern in _AFTER_CUE:
        for match in pattern.finditer(text):
            found.update(_names_of(match.start(1), match[1]))
    for pattern in _BEFORE_CUE:
        for match in pattern.finditer(text):
            found.update(_names_of(match.start(1), match[1], lists["words"] | lists["no"]))
    tokens = [(m.start(), m[0]) for m in _WORD.finditer(text)]
    lower = {_bare(t).casefold() for _, t in tokens}
    if not lower.isdisjoint(lists["given"]):
        for start, token in tokens:
            if _bare(token).casefold() in lists["given"] and not _PLACE.search(text[max(0, start - 6) : start]):
                found.add(_extend(text, start, start + len(_bare(token))))
    if not lower.isdisjoint(lists["capital"]):
        for start, token in tokens:
            before = text[max(0, start - 6) : start]
            is_inside = token[0].isupper() and not (_PLACE.search(before) or _STARTS.search(before))
            if is_inside and _bare(token).casefold() in lists["capital"]:
                found.add(_extend(text, start, start + len(_bare(token))))
    if not (lower.isdisjoint(lists["words"]) and lower.isdisjoint(lists["capital"])):
        found.update(_ambiguous(text, tokens))
    if found:
        yield from _again(text, tokens, found)


def _bare(token: str) -> str:
    return token[:-2] if token.endswith(("'s", "’s", "'S", "’S")) else token.strip("'’-")


def _is_name(token: str) -> bool:
    bare = _bare(token).casefold()
    return token[:1].isupper() and not {bare, bare.removesuffix("s")} & _lists()["no"]


def _names_of(start: int, caps: str, never: frozenset[str] = frozenset()) -> Iterator[tuple[int, int]]:
    """The leading capitalised words that can be a name, as one place."""
    end = begin = start
    for match in _WORD.finditer(caps):
        if not _is_name(match[0]) or (end == begin and _bare(match[0]).casefold() in never):
            break
        end = start + match.start() + len(_bare(match[0]))
    if end > begin:
        yield begin, end


def _extend(text: str, start: int, end: int) -> tuple[int, int]:
    """A given name with the family name after it."""
    for _ in range(2):
        match = _MORE.match(text, end)
        if not match or not _is_name(match[1]):
            break
        end = match.start(1) + len(_bare(match[1]))
    return start, end


def _ambiguous(text: str, tokens: list[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    """Names that are words as well, where a family name follows or the person introduces themselves."""
    lists = _lists()
    for (start, token), following in zip(tokens, [*tokens[1:], (0, "")], strict=True):
        bare = _bare(token)
        if bare.casefold() not in lists["words"] | lists["capital"] or not bare[:1].isupper():
            continue
        end = start + len(bare)
        adjacent = following[0] == start + len(token) + 1 and following[1][:1].isupper()
        if adjacent and _bare(following[1]).casefold() in lists["family"]:
            yield _extend(text, start, end)
        elif re.search(r"(?i:\b(?:i['’]m|i am|this is)\s)$", text[max(0, start - 12) : start]):
            if re.match(r"\s*(?:[,.!\n]|and I\b|$)", text[end:]):
                yield start, end
        elif re.match(r" (?:says|told|texted|wants me|keeps|cheated|and I)\b", text[end : end + 12]):
            yield start, end


def _again(text: str, tokens: list[tuple[int, str]], found: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The places found, the names joined to them by "and", and every other place of the same names."""
    for start, end in list(found):
        match = _AND.match(text, end)
        while match and _is_name(match[1]):
            at = match.start(1)
            end = at + len(_bare(match[1]))
            found.add(_extend(text, at, end))
            match = _AND.match(text, end)
    said = {w for a, b in found for w in _WORD.findall(text[a:b]) if len(w) > 1 and w[0].isupper()}
    said -= {w for w in said if w.casefold() in _lists()["words"] | _lists()["capital"]}
    yield from found
    for start, token in tokens:
        if _bare(token) in said:
            yield start, start + len(_bare(token))
