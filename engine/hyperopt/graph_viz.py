"""A search space as a picture: the text that Graphviz draws, hyperopt's graph_viz."""

from __future__ import annotations

from typing import Any

from hstore.engine.space import Space, compile_space


def dot_hyperparameters(expr: Any) -> str:
    """Return the hyperparameters of the space *expr* as a directed graph in Graphviz' language.

    A box for each hyperparameter, an ellipse for each condition `choice=option` that something depends on, with edges
    from the choice to the condition and on to what it depends on. Options are given by their index. Raises
    `BadSearchSpace` for a space that cannot be searched.
    """
    space = expr if isinstance(expr, Space) else compile_space(expr)
    lines = []
    for parameter in sorted(space, key=lambda parameter: parameter.label):
        lines.append(f"{_quoted(parameter.label)} [ shape=box];")
        for path in _paths(space, parameter.label):
            if not path:  # always active
                continue
            terms = [_quoted(f"{choice}={option}") for choice, option in path]
            for (choice, _), term in zip(path, terms, strict=True):
                lines += [f"{term} [ shape=ellipse];", f"{_quoted(choice)} -> {term};"]
            whole = terms[0]
            if len(path) > 1:
                whole = _quoted(" & ".join(f"{choice}={option}" for choice, option in path))
                lines += [f"{whole} [ shape=ellipse];", *(f"{term} -> {whole};" for term in terms)]
            lines.append(f"{whole} -> {_quoted(parameter.label)};")
    return "\n".join(["digraph {", *dict.fromkeys(lines), "}", ""])


def _paths(space: Space, label: str) -> list[tuple[tuple[str, int], ...]]:
    """Return all that may be chosen on the way to *label*, the topmost choice first; one empty path if nothing is."""
    above = [pair for condition in space[label].conditions for pair in condition]
    return [(*path, pair) for pair in above for path in _paths(space, pair[0])] or [()]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
