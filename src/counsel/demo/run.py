"""``counsel demo``: the whole main job on the sample that the package carries, and what to type next."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from counsel.conversation import Conversation
from counsel.data.prepare import prepare
from counsel.data.settings import PrepareSettings
from counsel.demo.settings import DemoSettings
from counsel.errors import CounselError
from counsel.evaluate.run import evaluate
from counsel.evaluate.settings import EvaluateSettings
from counsel.evaluate.systems import System
from counsel.publish.card import write_card
from counsel.publish.settings import CardSettings
from counsel.respondents import systems
from counsel.train.recipes import load_recipe
from counsel.train.run import train
from counsel.train.settings import Asked, TrainSettings

Say = Callable[[str], None]

SAMPLE = Path(__file__).parents[1] / "data" / "sample.jsonl"
MARK = ".counsel-demo"
PROMPTS = (
    "I have a job interview tomorrow and I cannot sleep.",
    "My best friend has stopped calling me, and I do not know why.",
)
NEXT = """
Look at {run}/report.html in a browser and read {run}/README.md, the model card. Then:
  {counsel} chat --run {run}
  {counsel} prepare YOUR_FILE.csv --out mydata --review 20
  {counsel} train --base mistralai/Mistral-7B-Instruct-v0.3 --data mydata --run myrun --recipe counsel"""


def demo(settings: DemoSettings, say: Say) -> None:
    """Prepare the sample, tune counsel-tiny on it, measure, write the card, and show two replies before and after.

    Raises:
        CounselError: when ``settings.out`` holds something that no demonstration made.
    """
    started = time.monotonic()
    out = _emptied(settings.out)
    data, run = out / "data", out / "run"
    recipe = load_recipe("tiny")
    asked = TrainSettings(run=run, data=(str(data),), base="counsel-tiny", recipe="tiny", **recipe)

    say("1/5 prepare: the sample conversations, cleaned and split so that no prompt stands on two sides")
    prepare((str(SAMPLE),), PrepareSettings(out=data, max_length=asked.max_length), say)
    say("\n2/5 train: an adapter on counsel-tiny in 4 bit")
    train(Asked(asked, dict.fromkeys(recipe, "recipe tiny")), say)
    say("\n3/5 evaluate: on conversations that it never saw")
    measured = EvaluateSettings(run=run)
    base, tuned = systems(measured)
    evaluate(measured, (base, tuned), say)
    say("\n4/5 card")
    write_card(CardSettings(run=run), say)
    say("\n5/5 the same two prompts, before and after tuning")
    _before_and_after(base, tuned, say)
    say(f"\nDone in {time.monotonic() - started:.0f} s.{NEXT.format(run=run, counsel=_program())}")


def _program() -> str:
    """How the user can call this program: by its name, or by its path if the name is not found."""
    by_path = sys.argv[0].endswith("counsel") and not shutil.which("counsel")
    return sys.argv[0] if by_path else "counsel"


def _emptied(out: Path) -> Path:
    """``out`` as a new directory; only an earlier demonstration is ever replaced."""
    if out.exists() and any(out.iterdir()) and not (out / MARK).is_file():
        raise CounselError(
            "this directory holds something that no demonstration made", where=out, fix="choose another --out"
        )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARK).write_text("")
    return out


def _before_and_after(base: System, tuned: System, say: Say) -> None:
    asked = [Conversation.of([{"role": "user", "content": prompt}]) for prompt in PROMPTS]
    before, after = (system.respond(asked, lambda n: None) for system in (base, tuned))
    for prompt, old, new in zip(PROMPTS, before, after, strict=True):
        say(f"\n  you     {prompt}\n  before  {old.text}\n  after   {new.text}")
