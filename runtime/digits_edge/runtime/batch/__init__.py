"""The CSV of Kaggle's Digit Recognizer, read as a stream: a header, then blocks of rows, each read on its own.

for block in read_blocks("test.csv"):
    pixels = block.rows().pixels  # uint8[N, 28, 28]
"""

from .blocks import Block, begins_a_csv, read_blocks
from .cells import Rows
from .layout import LABEL, PIXELS, SIDE, Layout

__all__ = ["LABEL", "PIXELS", "SIDE", "Block", "Layout", "Rows", "begins_a_csv", "read_blocks"]
