"""Classify pictures on a device, with numpy and onnxruntime alone.

from digits_edge.runtime import Classifier

classifier = Classifier.load()
print(classifier.predict("photo.jpg").label)

To start fast, some imports stand inside functions, and some small classes are a NamedTuple, because creating a frozen
dataclass takes 0.4 ms. benchmarks/runtime_overhead.py measures the start.
"""

from .classifier import Classifier
from .errors import BundleError, DigitsEdgeError, IntegrityError, MissingExtra, PictureError, UsageError
from .prediction import Prediction, SelfTest

__all__ = [
    "BundleError",
    "Classifier",
    "DigitsEdgeError",
    "IntegrityError",
    "MissingExtra",
    "PictureError",
    "Prediction",
    "SelfTest",
    "UsageError",
]
