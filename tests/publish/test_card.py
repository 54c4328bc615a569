"""The model card: its sections, its metadata, and that it says what the records say and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from counsel.errors import CounselError
from counsel.files import read_json, write_json
from counsel.publish.card import markdown, write_card
from counsel.publish.settings import CardSettings
from counsel.records import Run

SECTIONS = """
# my\\_run
## Model Details
### Description
### Sources
## Uses
### Direct Use
### Downstream Use
### Out-of-Scope Use
## Bias, Risks and Limitations
### Known Biases
### Risks
### Limitations
### Recommendations
## How to Get Started
## Training Details
### Data
### Preprocessing
### Hyperparameters
### Speeds, Sizes, Times
## Evaluation
### Testing Data
### Factors
### Metrics
### Results
### Summary
## Model Examination
## Technical Specifications
### Architecture and Objective
### Compute Infrastructure
#### Hardware
#### Software
## Authors
## Contact
""".strip().splitlines()


def card_of(run: Run, **given: Any) -> str:
    return write_card(CardSettings(run=run.path, **given), lambda line: None).read_text(encoding="utf-8")


def outside_code(card: str) -> str:
    return re.sub(r"```.*?```", "", card, flags=re.S)


def test_the_sections_in_their_order(run: Run) -> None:
    found = [line for line in outside_code(card_of(run)).splitlines() if re.match(r"#+ ", line)]
    assert found == SECTIONS
    (run.results / "loss.json").unlink()
    found = [line for line in outside_code(card_of(run)).splitlines() if re.match(r"#+ ", line)]
    assert found == SECTIONS, "also before an evaluation"


def test_every_section_says_something(run: Run) -> None:
    parts = re.split(r"^#{3,4} .*$", card_of(run), flags=re.M)[1:]
    assert all(re.search(r"\w", re.sub(r"^## .*$", "", part, flags=re.M)) for part in parts)


def test_the_hub_reads_its_metadata(run: Run) -> None:
    given = {"license": "apache-2.0", "language": "en", "author": ("A. Author", "B. Lab"), "title": "Our: model #1"}
    card = ModelCard(card_of(run, **given))
    data = card.data
    assert (data.license, data.language, data.library_name) == ("apache-2.0", "en", "peft")
    assert data.base_model == "base"
    assert data.model_name == "Our: model #1"
    loss = read_json(run.results / "loss.json")
    values = {r.metric_type: r.metric_value for r in data.eval_results}
    assert values == {"loss": loss["tuned"]["loss"], "perplexity": loss["tuned"]["perplexity"]}
    assert all(r.dataset_revision == loss["eval_sha256"] for r in data.eval_results)
    assert "A. Author, B. Lab" in card.text
    again = ModelCard(str(card))
    assert again.data.to_dict() == data.to_dict()


def test_a_run_that_was_not_evaluated_claims_no_result(run: Run) -> None:
    for path in run.results.glob("*.json"):
        if path.stem != "training":
            path.unlink()
    heard: list[str] = []
    write_card(CardSettings(run=run.path), heard.append)
    card = ModelCard((run.path / "README.md").read_text())
    assert card.data.eval_results is None
    assert "has not been evaluated" in card.text
    assert "perplexity" not in card.text.lower()
    assert heard[0].startswith("the card has no result yet")


def test_an_unknown_licence_is_called_unknown(run: Run) -> None:
    heard: list[str] = []
    write_card(CardSettings(run=run.path), heard.append)
    card = ModelCard((run.path / "README.md").read_text())
    assert (card.data.license, card.data.license_name) == ("other", "not-stated")
    assert "assume no right to pass it on" in card.text
    assert [re.search(r"--\w+", line)[0] for line in heard[:3]] == ["--license", "--author", "--contact"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every number in a record, with its place."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


UNTOLD = {  # numbers that a card has no room for
    "data.json": ("inputs.*.bytes", "tokens.", "truncation", "rows_skipped", "rows_without", "pairs", "near_equal",
                  "settings.valid_share", "settings.eval_share", "settings.similarity", "settings.max_length",
                  "settings.canaries", "inputs.0.bytes"),
    "results/training.json": ("best_step", "ends_lost_share", "dropped_rows"),
    "results/loss.json": ("level", "max_new_tokens", "dropped", "cut", "max_length", "groups_better.share",
                          "leak.pair", "leak.prompt"),
    "environment.json": (),
    "settings.json": ("values.max_steps", "values.valid_steps", "values.save_steps", "values.patience"),
}  # fmt: skip


@pytest.mark.parametrize("file", UNTOLD)
def test_every_number_of_a_record_reaches_the_card(run: Run, file: str) -> None:
    record = read_json(run.path / file)
    plain = card_of(run)
    checked = 0
    for path, value in leaves(record):
        name = ".".join(map(str, path))
        if name.startswith(UNTOLD[file]):
            continue
        changed = json.loads(json.dumps(record))
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value + 7 if isinstance(value, int) else value * 1.37 + 0.11
        write_json(run.path / file, changed)
        assert card_of(run) != plain, f"{file}: {name} can change without the card changing"
        checked += 1
    write_json(run.path / file, record)
    assert card_of(run) == plain
    assert checked >= 1


def test_no_number_comes_from_the_template() -> None:
    import counsel.publish

    template = (Path(counsel.publish.__file__).parent / "card.md.jinja").read_text()
    said = re.sub(r"\{[{%].*?[}%]\}|```.*?```", " ", template, flags=re.S)
    assert sorted(set(re.findall(r"\d+", said))) == ["256", "32", "95"], "SHA-256, fp32, 95 %"


def test_the_audits_warnings_are_on_it(run: Run) -> None:
    audit = read_json(run.path / "data.json")
    audit["warnings"] = ["split by row: 95% of it is <b>memory</b>."]
    write_json(run.path / "data.json", audit)
    write_json(
        run.results / "loss.json", read_json(run.results / "loss.json") | {"leak": {"prompt": 0.95, "pair": 0.7}}
    )
    card = card_of(run)
    assert r"Of the data: split by row: 95% of it is \<b\>memory\</b\>." in card
    assert "but 95.0 % of its conversations have a prompt that was also trained on" in card
    assert "none of its prompts stands in the training file" not in card


def test_what_was_not_measured_is_said_until_it_is(run: Run) -> None:
    card = card_of(run)
    missing = card.split("**Not measured in this run:**")[1].split("###")[0]
    for word in ("crisis", "hurtful", "empathy", "coherent", "counselors", "differently", "training text"):
        assert word in missing, word
    write_json(run.results / "empathy.json", {"score": 1})
    card = card_of(run)
    assert "empathy and tone" not in card.split("**Not measured in this run:**")[1].split("###")[0]
    assert "See also `results/empathy.json`" in card


def test_a_worse_model_is_not_praised(run: Run) -> None:
    worse = {"relative": {"share": -0.12, "interval": [-0.2, -0.05]}}
    write_json(run.results / "loss.json", read_json(run.results / "loss.json") | worse)
    card = card_of(run)
    assert "12.0 % higher than the base's (95 % interval: 5.0 % to 20.0 % higher)" in card
    assert "worse than the base does" in card


CLAIMS = ("therap", "clinically", "proven", "effective", "validated", "heal ", "cure", "evidence-based", "best")


def test_it_claims_nothing_clinical_and_names_no_telephone(run: Run) -> None:
    card = card_of(run).lower()
    words = re.sub(r"best loss", "", outside_code(card))
    assert not [claim for claim in CLAIMS if claim in words]
    digits = re.sub(r"`[0-9a-f-]{12,}(?:-changed)?`|revision: \w+|\d{4}-\d\d-\d\dt[\d:+]+", "", card)
    assert not re.search(r"(?<![\w.])\+?\(?\d{3}\)?[\s.\-]\d{3,4}(?:[\s.\-]\d{4})?(?!\w)|(?<!\w)988(?!\w)", digits)


@pytest.mark.parametrize("number", ["+49 30 901820", "(212) 555-0147", "212.555.0147", "call 0800 1110111"])
def test_a_telephone_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="--contact holds a telephone number"):
        CardSettings(run=Path("r"), contact=number)
    CardSettings(run=Path("r"), contact="team@example.org", author=("Lab 7, since 2026",))


@pytest.mark.parametrize("wrong", [{"license": "Apache 2.0"}, {"language": "English"}, {"title": " "}])
def test_metadata_that_the_hub_would_refuse(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"--{next(iter(wrong))} "):
        CardSettings(run=Path("r"), **wrong)


def test_no_path_of_this_machine_is_on_it(run: Run) -> None:
    card = card_of(run)
    assert str(run.path.parent) not in card
    assert "/tmp" not in card and str(Path.home()) not in card


def test_text_from_outside_cannot_break_the_page(run: Run) -> None:
    card = card_of(run, title="A\n## B | `c` <i>", author=("[x](http://y)",))
    assert "## B" not in re.findall(r"^#+ .*$", card, flags=re.M)
    assert r"# A \#\# B \| \`c\` \<i\>" in card
    assert r"\[x\](http://y)" in card
    assert ModelCard(card).data.model_name == "A\n## B | `c` <i>"
    assert markdown("a\n b_c") == r"a b\_c"


def test_no_model_is_loaded(run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from counsel.publish.card import write_card;"
        "from counsel.publish.settings import CardSettings;"
        f"write_card(CardSettings(run=Path({str(run.path)!r})), print);"
        "print('HEAVY', [m for m in ('torch', 'transformers', 'peft', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def snippet(card: str) -> str:
    return re.search(r"## How to Get Started.*?```python\n(.*?)```", card, flags=re.S)[1]


def as_a_stranger(run: Run, code: str) -> str:
    """What code prints in a process of its own, started in the run's folder."""
    path = os.pathsep.join(p for p in sys.path if p)
    quiet = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=run.path, capture_output=True, text=True, env=os.environ | quiet
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(run: Run, code: str) -> str:
    """What code prints in this process, which has loaded the libraries already."""
    with contextlib.chdir(run.path), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return printed.getvalue()


def check_snippet(run: Run, base: str, execute: Callable[[Run, str], str]) -> None:
    """It asks as the product asks, and gets its reply, but for what rounding in the 4-bit kernels changes late."""
    from counsel.conversation import Conversation
    from counsel.model.engine import Request, Sampling, load_engine

    asked = Conversation.of([{"role": "user", "content": "I have been worried about my work and cannot sleep."}])
    engine = load_engine(base, run.adapter)
    code = snippet(card_of(run)) + "\nprint('IDS', prompt['input_ids'][0].tolist())"
    reply, ids = execute(run, code).rsplit("IDS ", 1)
    assert json.loads(ids) == engine.renderer.prompt_ids(asked)
    expected = engine.complete([Request(asked, Sampling(temperature=0, max_new_tokens=200))])[0].text
    assert len(expected.split()) >= 3
    assert reply.split()[:3] == expected.split()[:3]


def test_the_snippet_works_and_speaks_the_chat_template(run: Run, finished: Run) -> None:
    assert "PeftModel" not in snippet(card_of(run))
    check_snippet(run, str(finished.path.parent / "base"), as_a_stranger)


def test_a_run_that_carries_its_base_can_be_moved(run: Run, finished: Run) -> None:
    shutil.copytree(finished.path.parent / "base", run.path / "base")
    config = read_json(run.adapter / "adapter_config.json")
    write_json(run.adapter / "adapter_config.json", config | {"base_model_name_or_path": "/nowhere"})
    assert "PeftModel" in snippet(card_of(run))
    check_snippet(run, str(run.path / "base"), here)


def test_a_base_by_hub_id_is_named_by_it(run: Run) -> None:
    hub = "mistralai/Mistral-7B-Instruct-v0.3"
    config = read_json(run.adapter / "adapter_config.json")
    write_json(run.adapter / "adapter_config.json", config | {"base_model_name_or_path": hub})
    settings = read_json(run.path / "settings.json")
    settings["values"]["base"] = hub
    write_json(run.path / "settings.json", settings)
    audit = read_json(run.path / "data.json")
    audit["inputs"].append({"name": "owner/conversations", "rows": 7, "hub": "owner/conversations"})
    write_json(run.path / "data.json", audit)
    card = card_of(run)
    data = ModelCard(card).data
    assert (data.base_model, data.datasets) == (hub, ["owner/conversations"])
    assert f'base = AutoModelForCausalLM.from_pretrained("{hub}", device_map="auto"' in card
    compile(snippet(card), "snippet", "exec")


def test_an_unquantised_run_says_so(run: Run) -> None:
    settings = read_json(run.path / "settings.json")
    settings["values"]["four_bit"] = False
    write_json(run.path / "settings.json", settings)
    card = card_of(run)
    assert "an unquantised base" in card and "BitsAndBytes" not in card
    compile(snippet(card), "snippet", "exec")


def test_a_run_without_records_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CounselError, match="there is no run here"):
        write_card(CardSettings(run=tmp_path / "none"), print)
    (run.path / "data.json").unlink()
    with pytest.raises(CounselError, match="the file is missing"):
        write_card(CardSettings(run=run.path), print)
    assert not (run.path / "README.md").exists()
