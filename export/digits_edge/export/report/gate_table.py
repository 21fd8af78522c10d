"""The gate as a table and the ladder as a list, both made from a manifest's gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from digits_edge.common.numerics import accuracy
from digits_edge.common.tables import table
from digits_edge.runtime.errors import printable

from ..verify.criteria import CRITERIA, Criterion

NONE = "–"


@dataclass(frozen=True)
class GateCell:
    """A model's result in one row; `holds` is None in a row that is not checked."""

    text: str
    holds: bool | None = None


@dataclass(frozen=True)
class GateRow:
    """A row of the gate's table."""

    title: str
    cells: tuple[GateCell, ...]  # the models' results
    limit: str = ""  # what is allowed of every model; empty in a row that is not checked
    keras: str = NONE  # Keras's own result
    criterion: Criterion | None = None  # that the row is of


@dataclass(frozen=True)
class GateTable:
    """The gate's table, a column for each model."""

    models: tuple[str, ...]
    groups: tuple[tuple[GateRow, ...], ...]  # counts, criteria, of an adapted model those on one's own part, verdict

    def markdown(self) -> str:
        """The table in Markdown; a cross marks what fails."""
        rows = [
            (row.title, row.limit, row.keras, *(cell.text + " ✗" * (cell.holds is False) for cell in row.cells))
            for group in self.groups
            for row in group
        ]
        return table(("criterion", "limit", "Keras", *self.models), rows)


def judged(gate: dict[str, Any]) -> list[dict[str, Any]]:
    """The rung of a manifest's gate that each model of the bundle was made on."""
    return [gate["rungs"][index] for index in gate["models"].values()]


def gate_table(gate: dict[str, Any]) -> GateTable:
    """The table of a manifest's gate."""
    models, limits = judged(gate), gate["limits"]
    groups = [_counts(models), _criteria(models, limits)]
    if part := gate.get("own"):  # bundles that were exported before adaptation have none
        own = [model["own"] for model in models]
        interval = _row("95 % interval", NONE, [f"{each['low']:.1%} to {each['high']:.1%}" for each in own])
        rows = (*(() if part["trained_on"] else (*_counts(own), interval)), *_criteria(own, limits))
        groups.append(tuple(replace(row, title=f"own: {row.title}") for row in rows))
    verdicts = tuple(GateCell("refused" if model["refused"] else "passed", not model["refused"]) for model in models)
    return GateTable(tuple(gate["models"]), (*groups, (GateRow("verdict", verdicts),)))


def own_part(manifest: dict[str, Any]) -> str | None:
    """What the rows of one's own part say, from a manifest; None if the model was not adapted."""
    if not (part := manifest["gate"].get("own")):
        return None
    adaptation = manifest["provenance"]["run"]["adaptation"]
    if not part["trained_on"]:
        return f"One's own part: {part['judged_by']}."
    right = adaptation["own"]["pictures"] - adaptation["own"]["wrong"]
    return (
        f"One's own part: {part['judged_by']}. The model was trained on them, so only its agreement with Keras is "
        f"checked. {adaptation['folds']} models that were each trained without some of them answer {right:,} of "
        f"{adaptation['own']['pictures']:,} right; with 95 % confidence, the accuracy is between "
        f"{adaptation['low']:.1%} and {adaptation['high']:.1%}."
    )


def _row(title: str, keras: str, cells: list[str]) -> GateRow:
    return GateRow(title, tuple(GateCell(text) for text in cells), keras=keras)


def _counts(models: list[dict[str, Any]]) -> tuple[GateRow, ...]:
    pictures, keras_wrong = models[0]["pictures"], models[0]["keras_wrong"]
    return (
        _row(
            "accuracy",
            f"{accuracy(keras_wrong, pictures):.2%}",
            [f"{accuracy(model['wrong'], pictures):.2%}" for model in models],
        ),
        _row("wrong", f"{keras_wrong:,}", [f"{model['wrong']:,}" for model in models]),
        _row("broken / fixed", NONE, [f"{model['broken']:,} / {model['fixed']:,}" for model in models]),
    )


def _criteria(models: list[dict[str, Any]], limits: dict[str, float]) -> tuple[GateRow, ...]:
    return tuple(filter(None, (_checked(criterion, models, limits) for criterion in CRITERIA.values())))


def _checked(criterion: Criterion, models: list[dict[str, Any]], limits: dict[str, float]) -> GateRow | None:
    """The row of one criterion, or None if no model was checked for it."""
    checks = [next((c for c in model["checks"] if c["limit"] == criterion.name), None) for model in models]
    known = next((check for check in checks if check), None)
    if known is None:
        return None
    allowed = f"{limits[criterion.name]:.1%}" if criterion.by_class else criterion.as_text(known["allowed"])
    cells = tuple(_cell(criterion, check) for check in checks)
    return GateRow(criterion.title, cells, f"{'≥' if criterion.at_least else '≤'} {allowed}", criterion=criterion)


def _cell(criterion: Criterion, check: dict[str, Any] | None) -> GateCell:
    if check is None:
        return GateCell(NONE)
    value, allowed = check["value"], check["allowed"]
    if value is None:  # JSON has no NaN
        return GateCell("not a number", holds=False)
    text = criterion.as_text(value) + (f" (≤ {criterion.as_text(allowed)})" if criterion.by_class else "")
    return GateCell(text, value >= allowed if criterion.at_least else value <= allowed)


def ladder_list(gate: dict[str, Any]) -> str:
    """Every rung of a manifest's gate as a Markdown list."""
    lines = []
    for rung in gate["rungs"]:
        if "skipped" in rung:
            outcome = f"skipped: {rung['skipped']}"
        else:
            outcome = f"refused: {rung['refused']}" if rung["refused"] else "passed"
        lines.append(printable(f"- {rung['file']}: {rung['rung']}: {outcome}"))
    return "\n".join(lines)
