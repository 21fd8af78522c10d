"""Suggest the command to try after a refusal."""

from __future__ import annotations

import math
import shlex

from digits_edge.trainer.run import Run

from .formats import MODELS
from .options import ExportOptions
from .quantize.attempt import Attempt
from .verify.criteria import CRITERIA, Check


def next_command(options: ExportOptions, refused: Attempt) -> str:
    """The command to try after a refusal.

    If a conversion is not the same function, export the other format only. If the float model is not accurate enough,
    train on. If remedies were not tried, try them. Otherwise, allow what the best attempt needs to pass.
    """
    source = options.source
    words = ["digits-edge", "export", str(source.path)]
    if not isinstance(source, Run):
        words += ["--data", source.data, "--pixel-range", source.pixel_range]
    words += ["--int8"] if options.int8 else []
    if options.out != source.place:
        words += ["--out", str(options.out)]
    failed = {check.limit for check in refused.verdict.failed}
    if "max_difference" in failed:
        other = "tflite" if refused.file.endswith(".onnx") else "onnx"
        return shlex.join([*words, "--format", other])
    if set(options.formats) != set(MODELS):
        words += [word for name in options.formats for word in ("--format", name)]
    if "min_accuracy" in failed and isinstance(source, Run):
        return shlex.join(["digits-edge", "train", "--init", str(source.path), "--data", "SPEC"])
    if options.ladder or "min_accuracy" in failed:
        for check in refused.verdict.failed:
            words += [CRITERIA[check.limit].option, _lenient(check)]
    return shlex.join(words)


def _lenient(check: Check) -> str:
    """The limit that is just enough for the model to pass, rounded to three digits towards lenient."""
    step = 10.0 ** (math.floor(math.log10(check.needed)) - 2) if check.needed > 0 else 1.0
    steps = check.needed / step
    return f"{(math.floor(steps) if check.at_least or check.limit == 'min_agreement' else math.ceil(steps)) * step:.6g}"
