"""Classify pictures on a device, with numpy and onnxruntime alone.

To start fast, some imports stand inside functions, and some small classes are a NamedTuple, because creating a frozen
dataclass takes 0.4 ms. benchmarks/runtime_overhead.py measures the start.

Example:
    from digits_edge.runtime import Classifier

    classifier = Classifier.load()
    print(classifier.predict("photo.jpg").label)
"""

import os
from typing import TYPE_CHECKING

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # see ort.py

from .classifier import Classifier
from .errors import BundleError, DigitsEdgeError, IntegrityError, MissingExtra, PictureError, UsageError
from .prediction import Prediction, SelfTest

__all__ = [
    "BundleError",
    "Classifier",
    "Collector",
    "DigitsEdgeError",
    "Example",
    "IntegrityError",
    "MissingExtra",
    "PictureError",
    "Prediction",
    "Reading",
    "SelfTest",
    "UsageError",
    "__version__",
]

if TYPE_CHECKING:
    from .collector import Collector
    from .numbers.reading import Reading
    from .teaching import Example

    __version__: str
else:

    def __getattr__(name):
        """Look up on first use what takes long to import, or is not always needed."""
        if name == "Collector":
            from .collector import Collector

            return Collector
        if name == "Example":
            from .teaching import Example

            return Example
        if name == "Reading":
            from .numbers.reading import Reading

            return Reading
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("digits-edge")
