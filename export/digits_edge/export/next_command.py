"""Suggest the command to try after a refusal."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from typing import Final

from digits_edge.trainer.run import Run

from .formats import MODELS, TRANSLATIONS
from .options import ExportOptions
from .quantize.attempt import Attempt
from .verify.criteria import CRITERIA, Check, Limits

SMALL_LOSS: Final = 0.02  # of the answers; a limit that allows more makes nothing better
LOOK: Final = (
    "to try next: find out why so many answers are wrong, see the report; do --data, --labels and --pixel-range fit "
    "the model, and was it trained to the end?"
)


def next_command(options: ExportOptions, refused: Attempt, *, out_of_time: bool = False) -> str | None:
    """The command to try after a refusal; None if there is a mistake to be found first. All options are kept.

    If a conversion is not the same function, export the other format only. If the float model is not accurate enough,
    train on. If remedies were not tried, or not all for want of time, try them. If much is lost in int8, or
    something of what a model was adapted to, export in float. Otherwise, allow what the best attempt needs to pass.
    """
    source, verdict = options.source, refused.verdict
    failed = {check.limit: check for check in verdict.failed}
    if "max_difference" in failed:
        other = "tflite" if refused.file.endswith(".onnx") else "onnx"
        return shlex.join([*_words(options), "--format", other])
    formats = [word for name in options.formats for word in ("--format", name)]
    formats = formats if set(options.formats) != set(MODELS) else []
    if "min_accuracy" in failed:
        train = ["digits-edge", "train", "--init", str(source.path), "--data", "SPEC"]
        return shlex.join(train) if isinstance(source, Run) else None
    if out_of_time and options.time_budget:
        return shlex.join([*_words(replace(options, time_budget=2 * options.time_budget)), *formats])
    if not options.ladder:
        return shlex.join([*_words(options), *formats])
    if verdict.broken - verdict.fixed > SMALL_LOSS * verdict.pictures or (verdict.own and verdict.own.failed):
        in_float = options.int8 and not set(options.formats) & set(TRANSLATIONS)
        return shlex.join([word for word in [*_words(options), *formats] if word != "--int8"]) if in_float else None
    return shlex.join([*_words(options, failed), *formats])


def _words(options: ExportOptions, failed: dict[str, Check] | None = None) -> list[str]:
    """The command as it was given, without formats, with limits that are just enough for the checks that failed."""
    source, failed = options.source, failed or {}
    words = ["digits-edge", "export", str(source.path)]
    if not isinstance(source, Run):
        words += ["--data", source.data, f"--pixel-range={source.pixel_range}"]
        words += ["--labels", str(source.labels)] if source.labels else []
        words += ["--label-column", source.label_column] if source.label_column else []
        words += ["--preprocess", source.preprocess] if source.preprocess else []
        words += ["--custom", source.custom] if source.custom else []
    words += ["--int8"] if options.int8 else []
    words += ["--out", str(options.out)] if options.out != source.place else []
    words += [] if options.timed else ["--no-benchmark"]
    words += [] if options.time_limit == ExportOptions.time_limit else ["--time-limit", f"{options.time_limit:g}"]
    words += ["--time-budget", f"{options.time_budget:g}"] if options.time_budget else []
    for name, criterion in CRITERIA.items():
        limit = getattr(options.limits, name)
        if name in failed:
            words += [criterion.option, _lenient(failed[name])]
        elif limit != getattr(Limits, name):
            words += [criterion.option, f"{limit:g}"]
    return words


def _lenient(check: Check) -> str:
    """The limit that is just enough for the model to pass, rounded to three digits towards lenient."""
    step = 10.0 ** (math.floor(math.log10(check.needed)) - 2) if check.needed > 0 else 1.0
    steps = check.needed / step
    return f"{(math.floor(steps) if check.at_least or check.limit == 'min_agreement' else math.ceil(steps)) * step:.6g}"
