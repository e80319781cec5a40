"""The items of the usual checklists for reproducible work, as far as a log can answer them. Pure.

The items are put in our words. Their sources: the NeurIPS Paper Checklist (questions on experimental results, settings,
significance, compute, and access to data and code); the Machine Learning Reproducibility Checklist, version 2.0
(Pineau et al., Improving Reproducibility in Machine Learning Research, JMLR 22, 2021); Best Practices for Scientific
Research on Neural Architecture Search (Lindauer and Hutter, JMLR 21, 2020), whose items hold for any AutoML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

NEURIPS, REPRODUCIBILITY, AUTOML = "NeurIPS", "ML Reproducibility", "AutoML best practices"


class ChecklistItem(NamedTuple):
    """One item of a checklist."""

    sources: str
    question: str
    answer: str
    """What the log says, or what it cannot know."""
    is_answered: str
    """yes, in part, or no."""


def items(facts: Mapping[str, Any]) -> list[ChecklistItem]:
    """Return the items with the answers that *facts*, made by `sections`, allow."""
    known = facts
    code = known["commit"] or known["source"]
    return [
        _yes(f"{NEURIPS}, {REPRODUCIBILITY}, {AUTOML}", "The hyperparameters that were searched, and their ranges",
             "What was searched"),
        _yes(f"{NEURIPS}, {REPRODUCIBILITY}", "How the best was selected, and all its hyperparameters", "Result"),
        _yes(AUTOML, "The search method, its version and its settings", "What was searched"),
        _yes(f"{REPRODUCIBILITY}, {AUTOML}", "The exact number of training and evaluation runs",
             f"{known['attempts']} evaluations of {known['trials']} trials, failed ones included; see Budget"),
        _item(AUTOML, "Seeds", known["seeds"], "see Seeds", "no seed is recorded"),
        ChecklistItem(f"{NEURIPS}, {REPRODUCIBILITY}", "Runtime", f"{known['runtime']}; see Budget", "yes"),
        _part(NEURIPS, "Compute resources: kind of machine, memory, number of machines",
              f"{known['hosts']} host(s), {known['machine']}; neither memory nor accelerators are recorded"),
        _part(NEURIPS, "Total compute of the project, failed and preliminary runs included",
              "failed trials of this search are counted; other searches and runs outside it are not in its log"),
        _item(f"{NEURIPS}, {REPRODUCIBILITY}", "Code", code, "see Code", "neither a commit nor a source is recorded"),
        _item(REPRODUCIBILITY, "Dependencies, with exact versions", known["packages"],
              f"{known['packages']} distributions; see Environment", "no packages are recorded"),
        _item(REPRODUCIBILITY, "Saved models", known["attachments"],
              f"{known['attachments']} attachments of trials, by SHA-256, in the exported search",
              "no trial attached anything"),
        ChecklistItem(f"{NEURIPS}, {AUTOML}", "Variation over repeated runs, error bars", known["repeats"],
             "in part" if known["has_repeats"] else "no"),
        ChecklistItem(f"{REPRODUCIBILITY}, {AUTOML}", "What was measured",
             "the log has the number that the objective returned, and its code; what it means is not recorded",
             "in part"),
        _no(f"{NEURIPS}, {REPRODUCIBILITY}", "Data: source, size, preprocessing, licence, access"),
        _no(f"{NEURIPS}, {REPRODUCIBILITY}", "How data were split, and whether the test set stayed out of the search"),
        _no(AUTOML, "Comparisons: baselines with the same space, budget and machine (see `hstore diff`)"),
        _no(f"{NEURIPS}, {REPRODUCIBILITY}", "Energy, cost, and effects on people and society"),
        _no(NEURIPS, "Licences and credit of the assets that were used"),
    ]  # fmt: skip


def _yes(sources: str, question: str, where: str) -> ChecklistItem:
    answer = where if where[0].isdigit() else f"see {where}"
    return ChecklistItem(sources, question, answer, "yes")


def _part(sources: str, question: str, answer: str) -> ChecklistItem:
    return ChecklistItem(sources, question, answer, "in part")


def _no(sources: str, question: str) -> ChecklistItem:
    return ChecklistItem(sources, question, "the log cannot know; say it yourself", "no")


def _item(sources: str, question: str, has: Any, answer: str, otherwise: str) -> ChecklistItem:
    return ChecklistItem(sources, question, answer if has else otherwise, "yes" if has else "no")
