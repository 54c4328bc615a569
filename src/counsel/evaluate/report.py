"""``report.html``: one page that tells a run, made from the run's files alone. It needs nothing but itself."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from counsel.evaluate import plots
from counsel.evaluate.facts import Facts, cautions, change, render, verdict
from counsel.files import write_atomically
from counsel.records import Run


def write_report(run: Run) -> Path:
    """Write the page of a finished run; of one not evaluated yet too, which it then says.

    Returns:
        The page.

    Raises:
        CounselError: when a record is missing, or the place cannot be written.
    """
    facts = Facts.read(run)
    loss = facts.loss
    forest = Markup("")
    if loss:
        names = {"before": loss["base"], "after": loss["tuned"]}
        rows = [(name, measured["loss"], measured["interval"]) for name, measured in names.items()]
        forest = plots.whiskers(rows)
    page = render(
        "counsel.evaluate",
        "report.html.jinja",
        run.path,
        facts=facts,
        loss=loss,
        verdict=verdict(loss) if loss else "",
        cautions=cautions(facts),
        change=change,
        forest=forest,
        curves=plots.curves(facts.metrics, facts.training["best_step"]),
        valid=[m for m in facts.metrics if m.get("valid_loss") is not None],
        bar=plots.bar,
        style=Markup(files("counsel.evaluate").joinpath("report.css").read_text(encoding="utf-8")),
    )
    path = run.path / "report.html"
    write_atomically(path, page)
    return path
