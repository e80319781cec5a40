"""`hstore explain`: what a search knew when it chose a trial, and what it expected of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text
from hstore.cli.progress_bar import progress
from hstore.cli.session import warn_of_unsigned

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.audit.explanation import Calibration, Explanation

MOST_NEW = 10
"""How many trials that a decision was the first to know are named."""


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tid", type=int, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def explain(session: Session, experiment: str, tid: int | None, as_json: bool) -> None:
    """Say why trial TID of EXPERIMENT is where it is; without TID, how far the model can be trusted.

    For a trial: what the search knew then (trials by how they had ended, the best), which algorithm chose the point
    with which seed, for gp and auto what their model expected of it beside what came of it, and for tpe and mtpe how
    likely it is among the good trials and among the others, and its rank among the candidates. Without TID: how often
    losses came out where the model expected them with 68 and 95 %. All of it is computed again by the code that chose,
    which takes as long as choosing.

    \b
    hstore explain digits 53
    hstore explain digits
    hstore explain digits --json | jq .calibration
    """
    from hstore.engine.audit.explanation import calibration, explain_all

    with session.experiment(experiment) as found:
        found.check_signatures()
        warn_of_unsigned(found, experiment)
        if tid is not None:
            found.chain(tid)  # raises NotFound
        total = len(found.state.trials) if tid is None else tid + 1
        with progress("decision", total=total) as on_progress:
            explained = list(explain_all(found, None if tid is None else [tid], on_progress))
    if tid is not None:
        print_json(explanation_data(explained[0])) if as_json else print_text("\n".join(_lines(explained[0])))
        return
    trusted = calibration(explained)
    if as_json:
        print_json(
            {"calibration": _calibration_data(trusted), "trials": [explanation_data(each) for each in explained]}
        )
    else:
        print_text(_as_table(explained))
        print_text(_calibration_line(trusted))


def explanation_data(explained: Explanation) -> dict[str, Any]:
    """Return *explained* as --json prints it."""
    from dataclasses import asdict

    prediction = explained.prediction
    return {
        **asdict(explained),
        "best": None if explained.best is None else dict(zip(("tid", "loss"), explained.best, strict=True)),
        "prediction": None if prediction is None else prediction._asdict(),
        "densities": explained.densities and [{**each._asdict(), "ratio": each.ratio} for each in explained.densities],
        "ratio": explained.ratio,
        "is_within": explained.is_within,
    }


def _calibration_data(trusted: Calibration) -> dict[str, int]:
    return {"n": trusted.n, "within_68": trusted.within_68, "within_95": trusted.within_95}


def _lines(explained: Explanation) -> Iterator[str]:
    from hstore.cli.table import named, numbers, text

    algorithm = explained.algorithm or {}
    by = f"{text(algorithm.get('name'))} {text(algorithm.get('version'))}" if algorithm else "no algorithm"
    arm = f", by {text(explained.arm)}" if explained.arm is not None else ""
    how = f"chosen by {by}{arm}"
    if explained.replicate_of is not None:
        how = f"evaluates the point of trial {explained.replicate_of} again, for {by}"
    yield f"trial {explained.tid}: {text(explained.source)}; {how}, seed {text(explained.seed)}"
    yield f"parameters {named(dict(explained.params))}"
    yield f"it knew    {', '.join(f'{n} {name}' for name, n in explained.known.items()) or 'no trials'}"
    if explained.new:
        more = f" and {len(explained.new) - MOST_NEW} more" if len(explained.new) > MOST_NEW else ""
        yield f"new to it  {', '.join(map(str, explained.new[:MOST_NEW]))}{more}"
    if explained.best is not None:
        yield f"best then  trial {explained.best[0]}, loss {text(explained.best[1])}"
    yield from _expected(explained)
    loss = f"losses {numbers(explained.losses)}" if explained.losses else f"loss {text(explained.loss)}"
    yield f"it came to {text(explained.state)}, {loss}{_verdict(explained)}"


def _expected(explained: Explanation) -> Iterator[str]:
    from hstore.cli.table import text

    expected = explained.prediction
    for each in explained.densities or ():
        whose = "the point" if each.label is None else text(each.label)
        yield (
            f"compared   {whose}: {each.kind} {text(each.below)} among "
            f"the good trials, {text(each.above)} among the others; ratio {text(each.ratio)}, rank {each.rank} of "
            f"{each.candidates} candidates"
        )
    if expected is None:
        yield f"expected   no prediction: {text(explained.why_no_prediction)}"
        return
    yield (
        f"expected   {text(expected.median)}; with 68 % from {text(expected.low_68)} to {text(expected.high_68)}, "
        f"with 95 % from {text(expected.low_95)} to {text(expected.high_95)}"
    )
    place = f"rank {expected.rank} of {expected.candidates} candidates"
    yield f"           expected improvement {text(expected.expected_improvement)}, {place}"
    if expected.chance is not None:
        yield f"           not to fail: {expected.chance:.0%}"
    shown = ", ".join(f"{text(label)} {length:.2g}" for label, length in expected.lengths.items())
    yield f"           length scales, in ranges (the smallest matter most): {shown}"


def _verdict(explained: Explanation) -> str:
    within = explained.is_within
    if within is None:
        return ""
    return f": within the {'68' if within['68'] else '95'} %" if within["95"] else ": outside the 95 %"


def _as_table(explained: Sequence[Explanation]) -> str:
    from hstore.cli.table import numbers, render, text

    has_ratio = any(each.ratio is not None for each in explained)
    rows: list[list[Any]] = [
        ["trial", "chosen by", "expected", "68 %", *(["ratio"] if has_ratio else []), "loss", "within"]
    ]
    for each in explained:
        expected, within = each.prediction, each.is_within
        interval = None if expected is None else f"{text(expected.low_68)} … {text(expected.high_68)}"
        inside = None if within is None else "68 %" if within["68"] else "95 %" if within["95"] else "no"
        by = each.arm or (each.algorithm or {}).get("name") or each.source
        by = by if each.replicate_of is None else f"replicate of {each.replicate_of}"
        ratio = [each.ratio] if has_ratio else []
        median = None if expected is None else expected.median
        rows.append([each.tid, by, median, interval, *ratio, numbers(each.losses) or each.loss, inside])
    return render(rows)


def _calibration_line(trusted: Calibration) -> str:
    if not trusted.n:
        return "calibration: no trial has both a prediction and a loss"
    shares = trusted.within_68 / trusted.n, trusted.within_95 / trusted.n
    return (
        f"calibration: of {trusted.n} losses {shares[0]:.0%} came out within the predicted 68 %, "
        f"{shares[1]:.0%} within the 95 %"
    )
