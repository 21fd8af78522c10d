"""`report.md`: what was exported and how it was judged, for a terminal and a code review."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

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


REFUSAL: Final = ("refused_wrong", "auroc_wrong", "refused_outliers", "auroc_outliers")  # of a manifest's refusals


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose columns line up; all but the first are flushed right."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        return (
            "| "
            + " | ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            + " |"
        )

    rule = "|" + "|".join(("-" * (w + 1) + ":") if i else "-" * (w + 2) for i, w in enumerate(widths)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


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


def parity_table(parity: dict[str, Any]) -> str:
    """A manifest's parity as a table."""
    return table(
        ("engine", "pictures", "accuracy", "Keras's labels", "largest Δp", "arena, bytes"),
        [
            (
                engine["engine"],
                f"{engine['pictures']:,}",
                f"{engine['accuracy']:.2%}",
                f"{engine['agreement']:.2%}",
                f"{engine['largest_difference']:.2g}" if engine["largest_difference"] is not None else "no number",
                f"{engine['arena_bytes']:,}" if engine["arena_bytes"] else "",
            )
            for engine in parity["engines"]
        ],
    )


def write_report(path: Path, manifest: dict[str, Any], sizes: dict[str, int]) -> None:
    """Write `report.md`.

    Args:
        path: of the file.
        manifest: the bundle's, but for its files.
        sizes: bytes of each model.
    """
    gate = manifest["gate"]
    largest = max(sizes.values())
    files = [(name, f"{size:,}", f"{largest / size:.1f}x") for name, size in sizes.items()]
    agreement = manifest["parity"]["int8_agreement"]
    parts = [
        f"# {manifest['name']}",
        f"{len(manifest['labels'])} classes: {', '.join(manifest['labels'])}. {_cost(manifest['provenance'])}",
        f"## Gate: {gate['verdict']}",
        f"Each model against the Keras model it came from, on {gate['judged_by']}. Net lost is broken (right in Keras, "
        "wrong here) less fixed. ONNX ran through digits_edge.runtime, TFLite through LiteRT, and what was made of it "
        "as the ladder says.",
        gate_table(gate),
        *([f"To try next: `{gate['advice']}`"] if gate["advice"] else []),
        "## Ladder",
        ladder_list(gate),
        "## Parity",
        parity_table(manifest["parity"]),
        *(
            []
            if agreement is None
            else [f"int8 ONNX and int8 TFLite give one label to {agreement:.2%} of the pictures."]
        ),
        *_refusal(manifest["refusal"], manifest["thresholds"]),
        *_layers(manifest["layers"]),
        *_benchmark(manifest["benchmark"]),
        "## Files",
        table(("file", "bytes", "smaller by"), files),
        *(f"{rung['file']}: {rung['note']}." for rung in judged(gate) if "note" in rung),
        f"Input: uint8, {' x '.join(map(str, manifest['input']['shape']))}, white ink (255) on black (0); the models "
        f"scale it themselves. A photograph is brought to this form by `{manifest['preprocess']}`. The int8 TFLite "
        "takes int8 (pixel - 128) and gives logits; scale and zero point are in the manifest.",
        "## Where it comes from",
        _provenance(manifest["provenance"]),
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _refusal(refusals: list[dict[str, Any]], thresholds: dict[str, float]) -> list[str]:
    if not refusals:
        return []
    coverages = [f"{risk['coverage']:.0%}" for risk in refusals[0]["risks"]]
    made_up = refusals[0]["outliers"]
    return [
        "## Refusal",
        f"An answer is accepted from a score of {thresholds['min_score']} on, if the two best classes have "
        f"{thresholds['min_familiarity']} together. AUROC: the chance that a right answer scores higher than a wrong "
        "one"
        + (f", and that a validation picture is more familiar than one of {made_up:,} outliers" * bool(made_up))
        + ".",
        table(
            ("model", "refused", "of its errors", "AUROC", "outliers refused", "AUROC"),
            [(r["file"], f"{r['refused']:.2%}", *(_known(r[key]) for key in REFUSAL)) for r in refusals],
        ),
        "Risk against coverage: of the surest answers, the share that is wrong.",
        table(("model", *coverages), [(r["file"], *(f"{x['risk']:.2%}" for x in r["risks"])) for r in refusals]),
    ]


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _cost(provenance: dict[str, Any]) -> str:
    source = provenance.get("run") or provenance["model"]
    if "parameters" not in source:
        return ""
    return (
        f"{source['parameters']:,} parameters; a picture costs {source['macs']:,} multiply-accumulates, and "
        f"{source['activation_bytes']:,} numbers in memory at once."
    )


def _layers(layers: list[dict[str, Any]]) -> list[str]:
    if not layers:
        return []
    rows = [(x["name"], x["operator"], "no noise" if x["snr"] is None else f"{x['snr']:.1f}") for x in layers]
    return [
        "## Layers",
        "Signal-to-noise ratio of the logits in dB, where that layer alone is quantized; the smallest does most harm.",
        table(("layer", "operator", "dB"), rows),
    ]


def _benchmark(times: dict[str, Any] | None) -> list[str]:
    return [] if times is None else ["## Speed, where it was exported", times["verdict"]]


def _provenance(provenance: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    exported = f"Exported {provenance['created']} on {provenance['cpu']} with {versions}."
    if run := provenance.get("run"):
        recipe, split, data = run["recipe"], run["split"], run["dataset"]
        return (
            f"Trained on {data['name']} ({split['training']:,} pictures; {split['validation']:,} more were held out "
            f"for validation, split seed {split['seed']}) with recipe {recipe['name']}, model {recipe['model']}, "
            f"{recipe['epochs']} epochs of batch {recipe['batch_size']}, seed {run['seed']}, on {run['device']} with "
            f"Keras's {run['backend']} backend. Data fingerprint {data['fingerprint'][:16]}…\n\n{exported}"
        )
    model = provenance["model"]
    data = model["dataset"]
    return (
        f"{model['file']} (SHA-256 {model['sha256'][:16]}…), which takes pixels in {model['pixel_range']}; calibrated "
        f"with {data['calibrating']:,} pictures of {data['name']} and judged by {data['judging']:,} others, seed "
        f"{data['seed']}. Data fingerprint {data['fingerprint'][:16]}…\n\n{exported}"
    )
