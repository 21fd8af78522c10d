"""The gate as a table, and the ladder as a list, from a manifest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from digits_edge.common.tables import table

# How each limit is called in tables, and how what it is compared with is written.
CRITERIA: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "max_difference": ("largest Δp", lambda value: f"{value:.2g}"),
    "max_drop": ("net lost", lambda value: f"{value:.0f}"),
    "max_error_ratio": ("errors / Keras's", lambda value: f"{value:.2f}"),
    "min_p": ("McNemar p", lambda value: f"{value:.2g}"),
    "max_recall_drop": ("worst class, net lost", lambda value: f"{value:.0f}"),
    "min_agreement": ("labels not Keras's", lambda value: f"{value:.0f}"),
    "max_drift": ("accepted, drift", lambda value: f"{value:.0f}"),
    "min_accuracy": ("accuracy", lambda value: f"{value:.2%}"),
}


def judged(gate: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a manifest's gate, the rung that each model stands on."""
    return [gate["rungs"][index] for index in gate["models"].values()]


def gate_table(gate: dict[str, Any]) -> str:
    """A manifest's gate as a table: a row for each criterion, with what is allowed and what each model has."""
    models = judged(gate)
    keras_wrong, pictures = models[0]["keras_wrong"], gate["pictures"]
    rows: list[list[object]] = [
        ["accuracy", "", f"{1 - keras_wrong / pictures:.2%}", *(f"{1 - m['wrong'] / pictures:.2%}" for m in models)],
        ["wrong", "", keras_wrong, *(m["wrong"] for m in models)],
        ["broken / fixed", "", "–", *(f"{m['broken']} / {m['fixed']}" for m in models)],
    ]
    for limit, (title, written) in CRITERIA.items():
        checks = [next((check for check in m["checks"] if check["limit"] == limit), None) for m in models]
        known = next((check for check in checks if check is not None), None)
        if known is None:
            continue
        allowed = f"{'≥' if known['at_least'] else '≤'} {written(known['allowed'])}"
        if limit == "max_recall_drop":  # classes have their own
            allowed = f"≤ {gate['limits'][limit]:.1%}"
        rows.append([title, allowed, "–", *(_cell(check, written) for check in checks)])
    rows.append(["verdict", "", "–", *("REFUSED" if m["refused"] else "passed" for m in models)])
    return table(["criterion", "limit", "Keras", *gate["models"]], rows)


def _cell(check: dict[str, Any] | None, written: Callable[[float], str]) -> str:
    if check is None:
        return "–"
    if check["value"] is None:
        return "no number ✗"
    holds = check["value"] >= check["allowed"] if check["at_least"] else check["value"] <= check["allowed"]
    return written(check["value"]) if holds else f"{written(check['value'])} ✗"


def ladder_list(gate: dict[str, Any]) -> str:
    """Every rung of a manifest's gate as a list."""
    lines = []
    for rung in gate["rungs"]:
        if "skipped" in rung:
            outcome = f"skipped: {rung['skipped']}"
        else:
            outcome = f"refused: {rung['refused']}" if rung["refused"] else "passed"
        lines.append(f"- {rung['file']}: {rung['rung']}: {outcome}")
    return "\n".join(lines)
