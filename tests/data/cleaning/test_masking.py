"""No telephone number survives; plain figures do; every other kind by table, and measured on a written set."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counsel.data.cleaning import contact_details
from counsel.data.cleaning.masking import Masker, Term, author_name, read_terms
from counsel.errors import CounselError
from counsel.helplines import load, recognised_numbers

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
import personal as benchmark

MASKER = Masker()

# d is any digit, D one from 2 to 9. Shapes from national numbering plans, and how people bend them.
SHAPES = """
(Ddd) Ddd-dddd|Ddd-Ddd-dddd|Ddd.Ddd.dddd|Ddd Ddd dddd|Dddddddddd|+1 Ddd Ddd dddd|1-Ddd-Ddd-dddd|(Ddd)Ddd-dddd
Ddd/Ddd-dddd
Ddd-dddd|Ddd dddd|Ddd.dddd|+1Dddddddddd|001 Ddd Ddd dddd|+1 (Ddd) Ddd-dddd|[Ddd] Ddd-dddd|Ddd – Ddd – dddd
Ddd‑Ddd‑dddd
+44 20 dddd dddd|020 dddd dddd|07ddd dddddd|07ddd ddd ddd|+44 7ddd dddddd|(0161) ddd dddd|01ddd dddddd
+44 (0)20 dddd dddd
+33 6 dd dd dd dd|06 dd dd dd dd|06.dd.dd.dd.dd|06-dd-dd-dd-dd|0033 6 dd dd dd dd|+49 30 dddddd|030/dddddd
0151-dddddddd
+49 (0)151 dddddddd|089 dd dd dd dd|6dd ddd ddd|+34 6dd ddd ddd|91 ddd dd dd|+39 06 dddd dddd|3dd ddd dddd
06-dddddddd
+31 6 dddddddd|+45 dd dd dd dd|Dddd dddd|070-ddd dd dd|08-ddd ddd dd|+47 Ddd dd ddd|+41 dd ddd dd dd
044 ddd dd dd|+43 660 ddddddd
+61 4dd ddd ddd|04dd ddd ddd|(02) dddd dddd|+64 2d ddd dddd|+91 9dddd ddddd|9dddddddd d|+91-9ddddddddd
0dd-dddd-dddd|+81 90-dddd-dddd
13d dddd dddd|+86 13d dddd dddd|010-dddd-dddd|+82 10-dddd-dddd|+55 11 9dddd-dddd|(11) 9dddd-dddd
+52 55 dddd dddd|+54 9 11 dddd-dddd
+27 8d ddd dddd|08d ddd dddd|+234 80d ddd dddd|+254 7dd dddddd|+20 10 dddd dddd|+972 5d-ddd-dddd
+971 5d ddd dddd|+90 5dd ddd dd dd
+7 9dd ddd-dd-dd|8 (9dd) ddd-dd-dd|+48 5dd ddd ddd|+420 6dd ddd ddd|+36 20 ddd dddd|+40 7dd ddd ddd
+30 69d ddd dddd|+358 4d ddd dddd
+65 9ddd dddd|+852 9ddd dddd|+63 9dd ddd dddd|+62 8dd-dddd-dddd|+66 8d ddd dddd|+84 9d ddd dd dd
+880 1ddd-dddddd|+92 3dd ddddddd
D d d d d d d d d d|Ddd_Ddd_dddd|Ddd*Ddd*dddd|Ddd·Ddd·dddd|Ddd  Ddd  dddd|Ddd-Ddd-dddd x12
Ddd-Ddd-dddd ext. 345|+D.Ddd.Ddd.dddd
""".replace("\n", "|").strip("|").split("|")  # fmt: skip
AROUND = [
    "Call me at {} any time.", "{}", "my number is {}, text first", "({})", "I wrote {} on the wall", "It was {}.",
    "tel:{}",
    "In 2019 he left me {} and nothing else.", "I am 34, {} is where I am", "{} or nobody", "She said: {}!",
    "Old one {} new one",
    "We paid 300 dollars and got {} on a card", "<p>{}</p>", "his is\n{}\nand mine is not", "number{}", "“{}”",
    "it ends with {}…",
]  # fmt: skip
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


@st.composite
def phones(draw: st.DrawFn) -> str:
    shape = draw(st.sampled_from(SHAPES))
    filled = "".join(
        str(draw(st.integers(0, 9))) if c == "d" else str(draw(st.integers(2, 9))) if c == "D" else c for c in shape
    )
    return filled.translate(WIDE) if draw(st.integers(0, 9)) == 0 else filled


def digits(text: str) -> str:
    return "".join(str(int(c)) for c in text if c.isdigit())


@settings(max_examples=1500, deadline=None)
@given(phones(), st.sampled_from(AROUND))
@example("(555) 010-2233", "{}")
def test_no_telephone_number_survives(phone: str, around: str) -> None:
    masked = MASKER.mask(around.format(phone))
    number = digits(re.sub(r"(x|ext).*", "", phone))
    left = digits(masked)
    # No run of five of its digits is left in their order, apart from the figures that the sentence had.
    rest = digits(around)
    assert not [number[i : i + 5] for i in range(len(number) - 4) if number[i : i + 5] in left and rest != left], masked


@pytest.mark.parametrize(
    "text",
    [
        "It was 2019, then 2020-2022, and 1999/2000.", "I am 34, she is 8 and a half.",
        "It cost $25,000, not 2,500,000.",
        "He owes me 1500000 dollars.", "We spent 70 000 euros, or 1 234 567 in all.",
        "On 12/05/2015 and 2015-05-12 and 3.4.19.",
        "From 10:30 to 11:45, 9-5, 24/7.", "A pill of 0.25 mg, pi is 3.14159265.",
        "Between 1000-2000 and 1500 - 2500 calories.",
        "Count 10 9 8 7 6 5 4 3 2 1, or 1 2 3 4 5 6 7 8.", "The 5-4-3-2-1 way, 4-7-8 breathing, a 1-10 scale.",
        "I called him 100 times in 30 days.", "About 988 people and 911 friends.",
        "One, two, three, four, five, six, seven.",
        "Is it 20.5 % or 150/95 or 6'2\"?", "I told 112 people and nobody at 3 am.",
        "Page 233, chapter 12, room 4.",
    ],
)  # fmt: skip
def test_plain_figures_stay(text: str) -> None:
    assert MASKER.mask(text) == text


REGISTERED = sorted({n for line in (*load().lines, *load().recognised) for n in line.numbers})


@pytest.mark.parametrize("number", REGISTERED)
def test_every_number_of_the_registry_is_masked_as_a_helpline(number: str) -> None:
    assert MASKER.mask(f"You could call {number}.") == "You could call [helpline]."


def test_which_numbers_are_helplines_the_registry_alone_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_details, "recognised_numbers", lambda: frozenset({"2125550147"}))
    assert MASKER.mask("call 0800 1111, then 1-212-555-0147") == "call [phone], then [helpline]"
    source = Path(contact_details.__file__).read_text(encoding="utf-8")
    assert not recognised_numbers() & set(re.findall(r"[\"'](\d{4,})[\"']", source))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("If you are in danger call 911 or 988.", "If you are in danger call [helpline] or [helpline]."),
        ("Text HOME to 741741.", "Text HOME to [helpline]."),
        ("The old line 1-800-273-8255", "The old line [helpline]"),
        ("call 1-800-273-TALK", "call [helpline]"),
        ("Samaritans: 116 123", "Samaritans: [helpline]"),
        ("dial 112 now", "dial [helpline] now"),
        ("call 1-888-THERAPY", "call [phone]"),
        ("it's five five five, oh one oh, two two three three", "it's [phone]"),
        ("call 250 0143 x7", "call [phone]"),
        ("mail a.b+c@example.co.uk.", "mail [email]."),
        ("joe (at) example (dot) com", "[email]"),
        ("see https://example.com/a?b=c, or www.example.org/x.", "see [url], or [url]."),
        ("on example.com today", "on [url] today"),
        ("my handle is @lonely_girl", "my handle is [name]"),
        ("My name is Joanna Weir and I cry", "My name is [name] and I cry"),
        ("my husband dave snores", "my husband [name] snores"),
        ("Dr. Okonkwo's office", "Dr. [name]'s office"),
        ("Hi Xanthippe, thank you", "Hi [name], thank you"),
        ("I told Zorblax and Ulma", "I told [name] and [name]"),
        ("Will you hope for grace in May?", "Will you hope for grace in May?"),
        ("Grace Miller said no", "[name] said no"),
        ("Jane Roe, LMFT wrote", "[name], LMFT wrote"),
        ("Be well,\n\nXara Moq", "Be well,\n\n[name]"),
        ("so wrote Xara Moq, LSCSW, long ago", "so wrote [name], LSCSW, long ago"),
        ("Dr. Virginia Chow", "Dr. [name]"),
        ("from Virginia to Dayton, OH and Toronto, USA", "from Virginia to Dayton, OH and Toronto, USA"),
        ("I live in San Diego and North Carolina", "I live in San Diego and North Carolina"),
        ("at 42 Maple Street, Apt 4B, Dayton, OH 45401 now", "at [address] now"),
        ("Lindenstraße 14, 50667 Köln", "[address]"),
        ("12 rue des Lilas", "[address]"),
        ("a 20 minute drive down the road", "a 20 minute drive down the road"),
        ("DOB: 12/05/1987", "DOB: [birth date]"),
        ("I was born on March 3, 1990 in Cork", "I was born on [birth date] in Cork"),
        ("I was born in 1990", "I was born in 1990"),
        ("case number FC-2019-00417", "case number [number]"),
        ("SSN 123-45-6789", "SSN [number]"),
        ("card 4111 1111 1111 1111", "card [number]"),
    ],
)
def test_each_kind_has_its_mask(text: str, masked: str) -> None:
    assert MASKER.mask(text) == masked


PIECES = st.sampled_from(
    "call|Call|Dr.|my son|my name is|Tyler|Grace|Smith|and|555-0123|2019|911|at|42|Oak|Street|born on|"
    "March 3, 1990|case|no.|"
    "AB-12345|a@b.com|www.a.org|I told|Hi|,|.|\n|said|PhD|+44 20|[name]|[phone]|the|number|is|one two three|"
    "five|0".split("|")
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14))
def test_masking_what_is_masked_changes_nothing(pieces: list[str]) -> None:
    once = MASKER.mask(" ".join(pieces))
    assert MASKER.mask(once) == once


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_places_are_in_order_and_apart(text: str) -> None:
    spans = MASKER.find(text)
    ends = [0, *(s.end for s in spans)]
    assert all(e <= s.start < s.end <= len(text) for e, s in zip(ends, spans, strict=False))


def test_a_name_once_known_is_masked_everywhere_in_the_turn() -> None:
    assert MASKER.mask("My daughter Qirra left. Qirra was ten.") == "My daughter [name] left. [name] was ten."


def test_authors_are_masked_by_their_columns() -> None:
    masker = Masker((), ["Sherry Katz, LCSWCouples Therapist", "Robin McAdamsTherapist", "Nat"])
    assert masker.mask("I agree with Robin McAdams here") == "I agree with [name] here"
    assert masker.mask("a robin on the lawn") == "a robin on the lawn"
    spans = masker.find("Robin here, your Robin", author="Robin McAdamsTherapist")
    assert [(s.kind, s.rule) for s in spans] == [("name", "author_name")] * 2
    assert author_name("Sherry Katz, LCSWCouples and Family Therapist") == ("Sherry", "Katz")


def test_listed_terms_are_masked_by_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# places\nElm House\tplace\nProject Heron\n\n", encoding="utf-8")
    terms = read_terms(path)
    assert terms == (Term("Elm House", "place"), Term("Project Heron"))
    assert (
        Masker(terms).mask("At ELM  house, project heron, not elm houses") == "At [place], [redacted], not elm houses"
    )


@pytest.mark.parametrize("content", ["", "# only\n", "a\tb]c\n"])
def test_a_useless_list_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "l").write_text(content)
    with pytest.raises(CounselError):
        read_terms(tmp_path / "l")


def test_what_is_masked_is_measured() -> None:
    items = benchmark.load()
    assert sum(bool(i["words"]) for i in items) >= 200 and sum(not i["words"] for i in items) >= 60
    gold, hit, masks, right = benchmark.score(items)
    assert hit["phone"] == gold["phone"] and hit["email"] == gold["email"]
    # Floors a little below what docs/prepare.md states, so that a rule's loss shows and its gain does not.
    assert sum(hit.values()) / sum(gold.values()) >= FLOOR_RECALL
    assert sum(right.values()) / sum(masks.values()) >= FLOOR_PRECISION


FLOOR_RECALL, FLOOR_PRECISION = 0.97, 0.98
