"""How fast `counsel train` is at Mistral-7B's size, beside TRL and Unsloth on the same GPU in the same run.

    python benchmarks/training.py --out DIR --data DIR --tokenizer DIR [--base DIR] [--only NAME ...] [--repeats 2]
                                  [--steps 40] [--recipe-counsel] [--whole-run] [--limit 120] [--minutes 8]

Needs a CUDA GPU with 40 GB or more, and no network. `--data` is what `counsel prepare` made; `--tokenizer` is a
folder as `transformers` saves it, with a chat template, needed when the base does not exist yet. Every contender runs
in a process of its own, in turn, then all again, so that a GPU that slows down is seen. Results are written after each
one: OUT/training.json, OUT/training.md and one log a run. docs/benchmarks.md says how it is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_peers.contenders import Contender, Workload, contenders
from training_peers.machine import describe, make_base, measure_ceilings
from training_peers.own import run_own
from training_peers.peers import run_peer
from training_peers.table import render

from counsel.files import write_atomically, write_json

SOURCE = Path(__file__).resolve().parents[1] / "src"
BASE = Path(tempfile.gettempdir()) / "counsel-benchmark-base"
BASE_LIMIT = 300
"""Seconds for making the base, which happens once."""
WHOLE_RUN_LIMIT = 5
"""How many times the limit of a few steps a whole run may take."""


@dataclass(frozen=True)
class Bench:
    """One call of this command."""

    out: Path
    base: str
    data: Path
    tokenizer: Path | None
    workload: Workload
    steps: int | None
    limit: float
    scratch: Path

    @property
    def stem(self) -> str:
        """The results' name: another workload's results are not overwritten."""
        return "training" if self.workload == "card" else f"training-{self.workload}"

    def log(self, name: str, repeat: int) -> Path:
        """Where a process's output goes."""
        return self.out / f"{self.stem}-{name}-{repeat}.log"


def main() -> None:
    """Time every contender, or, inside a process of its own, one."""
    arguments = parse()
    if arguments.one:
        sys.exit(one(arguments))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a contender under way is ended too
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="counsel-benchmark-") as scratch:
        for workload in workloads_of(arguments):
            bench = Bench(
                out=arguments.out.resolve(),
                base=str(arguments.base.resolve()),
                data=arguments.data.resolve(),
                tokenizer=arguments.tokenizer.resolve() if arguments.tokenizer else None,
                workload=workload,
                steps=arguments.steps,
                limit=arguments.limit,
                scratch=Path(scratch),
            )
            every = contenders(workload, arguments.steps)
            chosen = [c for c in every if not arguments.only or c.name in arguments.only]
            if not chosen:
                continue
            measure(bench, chosen, arguments.repeats, 60 * arguments.minutes)


def parse() -> argparse.Namespace:
    """The command line, checked as far as can be without loading anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where results and logs go")
    parser.add_argument("--data", type=Path, required=True, help="a directory made by counsel prepare")
    parser.add_argument("--base", type=Path, default=BASE, help=f"made there when missing (default: {BASE})")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer's folder; needed to make the base")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="time these contenders only")
    parser.add_argument("--repeats", type=int, default=2, help="how often each is timed (default: 2)")
    parser.add_argument("--steps", type=int, help="measured steps of each (default: 40 to 100, of slow ones fewer)")
    parser.add_argument("--recipe-counsel", action="store_true", help="time 16 conversations of 1,024 tokens instead")
    parser.add_argument("--whole-run", action="store_true", help="time the card's whole run instead")
    parser.add_argument("--limit", type=float, default=120, help="seconds that a contender may take (default: 120)")
    parser.add_argument("--minutes", type=float, default=8, help="begin no repeat that would end later (default: 8)")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.steps is not None and arguments.steps < 2:
        parser.error("--steps must be at least 2")
    names = list(dict.fromkeys(c.name for w in workloads_of(arguments) for c in contenders(w)))
    if unknown := [name for name in arguments.only if name not in names]:
        parser.error(f"no contender {', '.join(unknown)} here; there are {', '.join(names)}")
    if not (arguments.data / "train.jsonl").is_file():
        parser.error(f"{arguments.data} was not made by counsel prepare")
    if not (arguments.base / "config.json").is_file() and not arguments.tokenizer:
        parser.error(f"there is no base in {arguments.base}; give --tokenizer, and it is made")
    return arguments


def workloads_of(arguments: argparse.Namespace) -> list[Workload]:
    """What is timed: the card's steps, or whatever is asked for instead."""
    asked: list[Workload] = ["counsel"] if arguments.recipe_counsel else []
    return asked + (["whole-run"] if arguments.whole_run else []) or ["card"]


def measure(bench: Bench, chosen: list[Contender], repeats: int, budget: float) -> None:
    """Make the base, measure the ceilings, then everyone in turn; write down what is known after each."""
    results: dict[str, Any] = {"machine": describe(), "workload": bench.workload, "ceilings": None, "runs": []}
    results["left_out"] = []
    began = time.monotonic()
    if not (Path(bench.base) / "config.json").is_file():
        made = in_a_process(bench, "base", 1, BASE_LIMIT)
        if "error" in made:
            sys.exit(f"the base could not be made: {made['error']}; see {bench.log('base', 1)}")
    results["ceilings"] = in_a_process(bench, "ceilings", 1, bench.limit)
    results["machine"]["gpu"] = results["machine"]["gpu"] or results["ceilings"].get("gpu")
    write(bench, results, chosen)
    took: dict[str, float] = {}
    for repeat in range(1, repeats + 1):
        for contender in chosen:
            late = time.monotonic() - began + took.get(contender.name, 0) > budget
            if repeat > 1 and (contender.once or late):
                if not contender.once:
                    results["left_out"].append(f"{contender.name}, repeat {repeat}: left out, the time was over.")
                continue
            limit = bench.limit * (WHOLE_RUN_LIMIT if contender.steps is None else 1)
            figures = in_a_process(bench, contender.name, repeat, limit)
            took[contender.name] = figures["wall_seconds"]
            results["runs"].append({"contender": contender.name, "repeat": repeat} | figures)
            write(bench, results, chosen)
    write(bench, results, chosen)
    print("\n" + render(results, chosen), flush=True)


def write(bench: Bench, results: dict[str, Any], chosen: list[Contender]) -> None:
    """Both files, whole."""
    write_json(bench.out / f"{bench.stem}.json", results)
    write_atomically(bench.out / f"{bench.stem}.md", render(results, chosen))


def in_a_process(bench: Bench, name: str, repeat: int, limit: float) -> dict[str, Any]:
    """One contender's figures, or its error; whatever happens, it ends within the limit and its memory is free."""
    print(f"{name}, {repeat} ...", end=" ", flush=True)
    log = bench.log(name, repeat)
    began = time.monotonic()
    with open(log, "wb") as output:
        child = subprocess.Popen(
            command(bench, name, repeat),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=bench.scratch,  # for what the peers leave behind where they run
            env=environment(),
            start_new_session=True,
        )
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(child)
    text = log.read_text(encoding="utf-8", errors="replace")
    found = outcome(code, text, limit) | {"wall_seconds": round(time.monotonic() - began, 1)}
    shown = found.get("error") or (f"{found['steps_per_s']:.2f} steps/s" if "steps_per_s" in found else "done")
    print(f"{shown}, {found['wall_seconds']:.0f} s", flush=True)
    return found


def command(bench: Bench, name: str, repeat: int) -> list[str]:
    """This script again, for one contender."""
    asked = [sys.executable, str(Path(__file__).resolve()), "--one", name, "--scratch", str(bench.scratch)]
    asked += ["--out", str(bench.out), "--data", str(bench.data), "--base", bench.base, "--repeats", str(repeat)]
    asked += ["--tokenizer", str(bench.tokenizer)] if bench.tokenizer else []
    asked += ["--steps", str(bench.steps)] if bench.steps else []
    flag = {"card": [], "counsel": ["--recipe-counsel"], "whole-run": ["--whole-run"]}[bench.workload]
    return asked + flag


def environment() -> dict[str, str]:
    """A child's environment: nobody calls home or waits for a network, and the product is found from any folder."""
    paths = [str(SOURCE), *(os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def end(child: subprocess.Popen[bytes]) -> None:
    """Leave nothing of a child running, its own children included: they hold the GPU's memory."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for _ in range(50):  # the last of them may take a moment
            os.killpg(child.pid, 0)
            time.sleep(0.1)


def outcome(code: int | None, text: str, limit: float) -> dict[str, Any]:
    """What a child's output says: its last line of JSON, or why there is none."""
    if code is None:
        return {"error": f"killed after {limit:g} s"}
    lines = [line for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and found.pop("figures", None):
                return found if code == 0 or "error" in found else found | {"error": f"exit status {code}"}
    last = lines[-1].strip() if lines else "no output"
    return {"error": f"killed by signal {-code}: {last}" if code < 0 else last}


def one(arguments: argparse.Namespace) -> int:
    """Inside a process of its own: run one contender and print its figures, or its error, as the last line."""
    try:
        line, code = json.dumps({"figures": True} | run_one(arguments), allow_nan=False), 0
    except Exception as error:
        traceback.print_exc()
        said = [text for text in str(error).splitlines() if text.strip()]
        told = f"{type(error).__name__}: {said[-1].strip() if said else ''}"
        line, code = json.dumps({"figures": True, "error": told}), 1
    sys.stderr.flush()
    print("\n" + line, flush=True)
    return code


def run_one(arguments: argparse.Namespace) -> dict[str, Any]:
    """The work that a name stands for."""
    if arguments.one == "base":
        return make_base(arguments.base, arguments.tokenizer)
    if arguments.one == "ceilings":
        return measure_ceilings()
    (workload,) = workloads_of(arguments)
    contender = next(c for c in contenders(workload, arguments.steps) if c.name == arguments.one)
    base = str(arguments.base)
    if contender.who != "counsel":
        return run_peer(contender, base, arguments.data)
    run = arguments.scratch / f"{contender.name}-{arguments.repeats}"
    figures = run_own(contender, base, arguments.data, run)
    shutil.rmtree(run)
    return figures


if __name__ == "__main__":
    main()
