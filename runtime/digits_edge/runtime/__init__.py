"""Read a bundle, turn a picture into a prediction: numpy and onnxruntime, nothing else.

from digits_edge.runtime import Classifier

classifier = Classifier.load()
print(classifier.predict("photo.jpg").label)

Some small classes of this room are a NamedTuple, since a frozen dataclass takes 0.4 ms to make, and some imports stand
inside functions: a program on a small device waits for all of it. benchmarks/runtime_overhead.py has the figures.
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
