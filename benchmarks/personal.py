"""How much of what is personal the rules mask, and how much they mask that is not, by kind.

    python benchmarks/personal.py [--show] [--half tune|held]

The set (tests/data/personal.jsonl) was written before the rules. The rules were tuned on the half named
``tune`` alone; ``held`` shows what to expect of text that nobody tuned on.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path

from counsel.data.cleaning.masking import Masker
from counsel.data.cleaning.names import CREDENTIAL
from counsel.statistics import wilson

SET = Path(__file__).resolve().parents[1] / "tests" / "data" / "personal.jsonl"
_MARK = re.compile(r"\{([a-z ]+)\|([^}]*)\}")
# A mask may leave the title and the degree: they are not who it is.
_TITLES = re.compile(
    r"^(?:Dr\.?(?: med\.)?|Mr\.?|Mrs\.?|Ms\.?|Uncle|Grandma|Coach|Pastor|Sister|Baby) |,? " + CREDENTIAL
)


def load(path: Path = SET) -> list[dict[str, object]]:
    """Items with plain ``text`` and ``gold``, a list of (start, end, kind)."""
    items = []
    for line in path.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        text, gold, at = "", [], 0
        for match in _MARK.finditer(item["text"]):
            text += item["text"][at : match.start()]
            body = match[2]
            inner = _TITLES.sub(lambda m: " " * len(m[0]), body) if match[1] == "name" else body
            for word in re.finditer(r"\w+", inner):
                gold.append((len(text) + word.start(), len(text) + word.end(), match[1], len(text)))
            text += body
            at = match.end()
        text += item["text"][at:]
        items.append({**item, "text": text, "words": gold})
    return items


def score(
    items: list[dict[str, object]], show: bool = False
) -> tuple[Counter[str], Counter[str], Counter[str], Counter[str]]:
    """(gold, masked whole, masks, masks on something personal) by kind."""
    masker = Masker()
    gold, hit, masks, right = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for item in items:
        text = str(item["text"])
        spans = masker.find(text)
        covered = {i for s in spans for i in range(s.start, s.end)}
        wanted: dict[tuple[int, str], bool] = {}
        for start, end, kind, whole in item["words"]:  # type: ignore[attr-defined]
            wanted[whole, kind] = wanted.get((whole, kind), True) and covered.issuperset(range(start, end))
        for (_, kind), is_masked in wanted.items():
            gold[kind] += 1
            hit[kind] += is_masked
        for span in spans:
            masks[span.kind] += 1
            is_right = any(a < span.end and span.start < b for a, b, *_ in item["words"])  # type: ignore[attr-defined]
            right[span.kind] += is_right
            if show and not is_right:
                print(f"  masked for nothing: {masker.mask(text)}")
        if show and not all(wanted.values()):
            print(f"  missed: {text}  ->  {masker.mask(text)}")
    return gold, hit, masks, right


def main() -> None:
    """Print recall and precision by kind, with their intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print what was missed; on held this ends its use")
    parser.add_argument("--half", choices=("tune", "held"))
    asked = parser.parse_args()
    for half in (asked.half,) if asked.half else ("tune", "held"):
        items = [i for i in load() if i["half"] == half]
        gold, hit, masks, right = score(items, asked.show)
        clean = [i for i in items if not i["words"]]
        spoiled = sum(bool(Masker().find(str(i["text"]))) for i in clean)
        print(f"{half}: {len(items)} texts, {len(clean)} of them clean ({spoiled} masked somewhere)")
        print("| kind | recall | 95 % | precision | 95 % |\n|---|---|---|---|---|")
        for kind in [*sorted(gold), "all"]:
            g, h, m, r = ((sum(c.values()) if kind == "all" else c[kind]) for c in (gold, hit, masks, right))
            (a, b), (c, d) = wilson(h, g) or (0, 1), wilson(r, m) or (0, 1)
            print(
                f"| {kind} | {h}/{g} = {h / g:.2f} | {a:.2f}–{b:.2f} "
                f"| {r}/{m} = {r / max(m, 1):.2f} | {c:.2f}–{d:.2f} |"
            )


if __name__ == "__main__":
    main()
