"""``report.html``: one page about a run, made from the run's files alone. It needs no other file and no network."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from counsel.errors import CounselError
from counsel.files import write_atomically
from counsel.records import Run
from counsel.report import plots
from counsel.report.facts import Facts
from counsel.report.wording import cautions, change, duration, interval, number, percent, signed, verdict, visible


def write_report(run: Run) -> Path:
    """Write the page of a finished run. If the run has not been evaluated yet, the page says so.

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
        "counsel.report",
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
        style=Markup(files("counsel.report").joinpath("report.css").read_text(encoding="utf-8")),
    )
    path = run.path / "report.html"
    write_atomically(path, page)
    return path


def render(package: str, template: str, where: Path, **context: Any) -> str:
    """Fill a page's template; a value that a record lacks is an error, never a blank.

    Raises:
        CounselError: when a record lacks what the page says.
    """
    loader = Environment(
        loader=PackageLoader(package, "."),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (number, signed, percent, interval, duration, visible)
    loader.filters.update({f.__name__: f for f in filters})
    try:
        return loader.get_template(template).render(**context)
    except (TemplateError, TypeError, KeyError) as e:
        raise CounselError(
            f"a record of the run lacks what the page needs: {e}",
            where=where,
            fix="make the run again with this version of Counsel",
        ) from e
