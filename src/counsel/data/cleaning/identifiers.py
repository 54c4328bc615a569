"""What ties a text to one person: street addresses, birth dates, case and insurance numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CAP = r"[A-ZÀ-ÖØ-Þ][\w'’.-]*"
_STREET = (
    r"(?:[Ss]treet|[Ss]t|[Aa]venue|[Aa]ve|[Rr]oad|[Rr]d|[Ll]ane|[Ll]n|[Dd]rive|[Dd]r|[Bb]oulevard|[Bb]lvd|"
    r"[Cc]rescent)"
)
_WAY = (
    r"(?:Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|Highway|Hwy|Parkway|Pkwy|Circle|Cir|Close|Grove|Gardens?|Hill|Row|"
    r"Walk|Mews|Plaza|Trail|Alley|Green|Heights|Loop|Park|Rise|View|Quay|Wharf|Route|Pike|Turnpike|Broadway)"
)
_POINT = r"(?:(?:[NSEW]|[NS][EW]|[Nn]orth|[Ss]outh|[Ee]ast|[Ww]est|(?:North|South)(?:east|west))\.?\s)"
_UNIT = r"(?:,?\s(?:[Aa]pt|[Aa]partment|[Uu]nit|[Ss]uite|[Ss]te|[Ff]lat|[Rr]oom|[Ff]loor|#)\.?\s?#?\w{1,5}\b)"
_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b"
_TOWN = rf"(?:,\s(?:{_CAP}\s?){{1,3}}(?:,?\s?(?:[A-Z]{{2}}\s\d{{5}}(?:-\d{{4}})?|{_POSTCODE}|\d{{4,5}}))?)"
_NO_STREET = r"(?!\s(?:minutes?|mins?|hours?|hrs?|miles?|km|days?|weeks?|blocks?|years?|months?|people|times)\b)"
_ROOM = re.compile(r"\b(?:[Ff]lat|[Aa]pt\.?|[Aa]partment|[Uu]nit|[Rr]oom|[Ss]uite)\s\w{1,5},\s$")
_STREET_ADDRESS = re.compile(
    rf"\d(?<!\w\d)\d{{0,4}}{_NO_STREET}[A-Za-z]?,?\s"
    rf"{_POINT}?(?:(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th))\s){{1,4}}(?:{_STREET}|{_WAY})|[Tt]he\s{_WAY}"
    rf"|(?:[a-z]{{3,}}\s){{1,2}}(?:street|avenue|road|drive|lane|boulevard|crescent)"
    rf"|(?:County|State)\s(?:Road|Route|Highway)\s\d+|Broadway)\b\.?{_UNIT}?{_TOWN}?"
)
_FRENCH = frozenset("rue avenue boulevard bd place chemin allée impasse quai cours".split())
_SOUTHERN = frozenset("calle avenida avda av paseo plaza via viale piazza corso vicolo rua travessa ul ulica".split())
_ADDRESSES = (
    re.compile(rf"\bP\.?\s?O\.?\s?[Bb]ox\s\d+{_TOWN}?|\bPostfach\s\d[\d ]*"),
    re.compile(
        r"\b(?:[A-ZÄÖÜ][\wäöüß-]*(?:stra(?:ß|ss)e|str\.|weg|gasse|platz|allee|damm|ufer|straat|laan|gracht|plein|kade|gatan|"
        r"vägen|veien|gade|vej)|[A-ZÄÖÜ][\wäöüß]+\s(?:Straße|Str\.|Weg|Allee|Platz))\s\d{1,4}\s?[a-z]?\b"
        r"(?:,?\s\d{4,5}(?:\s?[A-Z]{2})?\s[A-ZÄÖÜ][\wäöüß-]+)?"
    ),
    re.compile(
        r"\b\d{1,4}(?:\s?bis|\s?ter)?,?\s(?:rue|avenue|boulevard|bd|place|chemin|allée|impasse|quai|cours)\s"
        rf"(?:(?:de|du|des|la|le|les|d['’]|l['’])\s?)*{_CAP}(?:[\s-]{_CAP})*(?:,?\s\d{{5}}\s{_CAP})?"
    ),
    re.compile(
        r"\b(?:[Cc]alle|[Aa]venida|Avda\.|Av\.|[Pp]aseo|[Pp]laza|Via|Viale|Piazza|Corso|Vicolo|Rua|Travessa|ul\.|ulica|Ulica|"
        rf"Rua)\s(?:(?:de|del|della|dei|da|do|dos|la|las|los)\s)*{_CAP}(?:\s{_CAP}|\sde\s{_CAP})*,?\s(?:n[.º°]\s?)?\d{{1,4}}\b"
    ),
    re.compile(r"[A-Z](?<!\w.)[A-Z]?\d[A-Z\d]?\s?\d[A-Z]{2}\b"),
    re.compile(rf"\b{_CAP}(?:\s{_CAP})?,?\s[A-Z]{{2}}\s\d{{5}}(?:-\d{{4}})?\b"),
)

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|février|mar(?:ch|s|zo)?|märz|apr(?:il)?|avril|abril|may|mai|mayo|june?|juni|"
    r"juin|junio|july?|juli|juillet|julio|aug(?:ust)?|août|agosto|sep(?:t|tember|tembre|tiembre)?|oct(?:ober|obre|ubre)?|"
    r"okt(?:ober)?|nov(?:ember|embre|iembre)?|dec(?:ember)?|dez(?:ember)?|décembre|diciembre|enero|febrero)\.?"
)
_DATE = (
    rf"(?:\d{{1,4}}\s?[./-]\s?\d{{1,2}}\s?[./-]\s?\d{{1,4}}|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s(?:19|20)\d\d\b)?"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|er|º)?\s(?:of\s|de\s)?{_MONTH}\b(?:,?\s(?:de\s|of\s)?(?:19|20)\d\d\b)?|(?:19|20)\d{{6}}\b)"
)
_BIRTH = re.compile(
    r"\b(?:born|birth ?da(?:te|y)(?:['’]s)?|date of birth|d\.?o\.?b\.?|geb(?:oren|\.)|geburtsdatum|née?|nacid[oa]|"
    rf"nascid[oa]|nat[oa] il|född|geboren)(?:[\s:,(–-]|\b(?:on|is|was|the|in|at|am|el|le|op|den|date|her|his|my)\b)"
    rf"{{1,8}}({_DATE})",
    re.IGNORECASE,
)
_BIRTH_AFTER = re.compile(
    rf"\b({_DATE})(?=,?\s(?:is|was)\s(?:my|his|her|our|their)\s(?:\w+['’]s\s)?birthday\b)", re.IGNORECASE
)

_HOLDER = (
    r"(?:case|claim|policy|insurance|member(?:ship)?|patient|client|file|record|chart|reference|ref|account|acct|ssn|"
    r"social security|nhs|medicaid|medicare|health card|passport|licen[cs]e|docket|(?:police )?report|student|customer|"
    r"invoice|card|mrn|iban|permit|visa|ticket|order|badge|inmate|employee|id|versicherungs?nummer|aktenzeichen|"
    r"kundennummer|dossier|expediente)"
)
_NUMBERED = re.compile(
    rf"\b{_HOLDER}(?:['’]s)?(?:\s(?:number|num|no|nr|id|code|card|license|licence|file))*\.?(?:[\s:,#]|\b(?:is|was|number)\b)*"
    rf"\s?((?:[A-Z]{{2,5}}[ -])?#?[A-Za-z]{{0,5}}[-/.]?\d[\w/-]*(?:[ ](?:[A-Z\d-]*\d[A-Z\d-]*|[A-Z])\b){{0,6}})",
    re.IGNORECASE,
)
_STANDING = re.compile(
    r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"
    r"|(?<!\d)(?:\d{4}[ -]){3}\d{4}(?!\d)"
    r"|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
    r"|\b[A-Z]{1,5}-?\d{6,}[A-Z]?\b"
    r"|\b[A-Z]{1,4}-\d{2,4}-\d{3,}\b"
)


_STREETS = frozenset(
    "street st avenue ave road rd lane ln drive dr boulevard blvd crescent court ct place pl square sq terrace ter way "
    "highway hwy parkway pkwy circle cir close grove garden gardens hill row walk mews plaza trail alley green heights "
    "loop park rise view quay wharf route pike turnpike broadway".split()
)
_HOLDERS = frozenset(re.findall(r"[a-z]{2,}", re.sub(r"\(\?:|[()?]", "", _HOLDER))) | frozenset(
    "membership member report license licence versicherungsnummer versicherungnummer".split()
)
_BORN = frozenset(
    "born birth birthdate birthday dob b geb geboren geburtsdatum né née nacido nacida nascido nascida nato nata "
    "född".split()
)
_ZIP = re.compile(r"[A-Z]{2}\s\d{5}")
_FOUR = re.compile(r"\d(?:\D?\d){3}")
_LONG = re.compile(r"\d(?:\d\d-\d\d-|\d{3}[ -]\d{4}[ -])|[A-Z](?:[A-Z]\d\d|-?\d{6}|-\d\d)")


def addresses(text: str, said: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The places of street addresses; ``said`` holds the text's words in lower case."""
    box, northern, french, southern, postcode, zip_code = _ADDRESSES
    patterns = [northern, postcode]
    if "box" in said or "postfach" in said:
        patterns.append(box)
    if not said.isdisjoint(_FRENCH):
        patterns.append(french)
    if not said.isdisjoint(_SOUTHERN):
        patterns.append(southern)
    if _ZIP.search(text):
        patterns.append(zip_code)
    if not said.isdisjoint(_STREETS):
        for match in _STREET_ADDRESS.finditer(text):
            room = _ROOM.search(text, max(0, match.start() - 20), match.start())
            yield room.start() if room else match.start(), match.start() + len(match[0].rstrip(" ,."))
    for pattern in patterns:
        for match in pattern.finditer(text):
            yield match.start(), match.start() + len(match[0].rstrip(" ,."))


def birth_dates(text: str, said: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The places of days of birth; a year alone does not count."""
    if said.isdisjoint(_BORN):
        return
    for pattern in (_BIRTH, _BIRTH_AFTER):
        for match in pattern.finditer(text):
            yield match.span(1)


def numbers(text: str, said: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The places of numbers by which an office knows a person."""
    if not said.isdisjoint(_HOLDERS) and _FOUR.search(text):
        for match in _NUMBERED.finditer(text):
            code = match[1]
            digits = sum(c.isdigit() for c in code)
            if digits >= 4 and not re.fullmatch(r"(?:19|20)\d\d", code.strip()):
                yield match.span(1)
    if _LONG.search(text):
        for match in _STANDING.finditer(text):
            yield match.span()
