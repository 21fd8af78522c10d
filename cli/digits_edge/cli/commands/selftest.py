"""`digits-edge selftest`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from digits_edge.runtime.errors import BundleError, SelfTestFailed

from ..options import Json
from ..output import print_json, print_lines


def command(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="[BUNDLE]", help="A bundle or an .onnx; the package's model unless given.")
    ] = None,
    json: Json = False,
) -> None:
    """Check every file's hash, and compare this device's answers with those of the machine that exported.

    ONNX models are run on their golden pictures. Of TFLite models only the hashes are checked.

    Example:

    digits-edge selftest artifacts/runs/compact-sample/bundle
    """
    from digits_edge.runtime import Classifier
    from digits_edge.runtime.bundle import Bundle

    classifiers = {}
    if bundle is None or bundle.suffix.lower() == ".onnx":
        classifiers[str(bundle or "the package's model")] = Classifier.load(bundle)
    else:
        opened = Bundle.open(bundle)
        opened.verify()
        for name in opened.names:
            if name.endswith(".onnx"):
                classifiers[name] = Classifier(opened.read(name), name)
        if not classifiers:
            raise BundleError(
                f"{bundle}: expected an ONNX model to test, found {', '.join(opened.names) or 'no files'}"
            )
    results = {name: classifier.self_test() for name, classifier in classifiers.items()}
    if json:
        print_json({name: asdict(result) for name, result in results.items()})
    else:
        for name, result in results.items():
            print_lines(
                f"{name}: {'passed' if result.passed else 'FAILED'}: {result.pictures} golden pictures, "
                f"{result.mismatches} with another label, "
                f"largest difference in probability {result.largest_difference:.2g}"
            )
    if failed := [name for name, result in results.items() if not result.passed]:
        raise SelfTestFailed(
            f"{', '.join(failed)}: this device's answers differ from those of the machine that exported it"
        )
