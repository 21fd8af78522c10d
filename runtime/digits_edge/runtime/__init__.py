"""Read a bundle, turn a picture into a prediction: numpy and onnxruntime, nothing else.

from digits_edge.runtime import Classifier

classifier = Classifier.load()
print(classifier.predict("photo.jpg").label)
"""

from .classifier import Classifier, Prediction, SelfTest
from .errors import (
    BundleError,
    DigitsEdgeError,
    IntegrityError,
    MissingExtra,
    PictureError,
    UsageError,
)

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
