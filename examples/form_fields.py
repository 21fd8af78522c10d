"""Read the fields of scanned forms into a CSV, one row a scan.

python examples/form_fields.py fields.json scans/*.png > forms.csv

fields.json names each field's rectangle in pixels, left, top, right and bottom, and how many digits it has if that is
known: {"postcode": {"box": [80, 40, 420, 110], "digits": 5}, "amount": {"box": [80, 150, 420, 220]}}

A field that is not accepted is left empty, and named on stderr for somebody to look at.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from PIL import Image

from digits_edge.runtime import Classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", type=Path, help="a JSON file of rectangles")
    parser.add_argument("scans", nargs="+", help="pictures of the same form")
    options = parser.parse_args()
    fields = json.loads(options.fields.read_text(encoding="utf-8"))
    classifier = Classifier.load()
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["file", *fields])
    for scan in options.scans:
        with Image.open(scan) as page:
            readings = {
                name: classifier.read(page.crop(field["box"]), digits=field.get("digits"))
                for name, field in fields.items()
            }
        rows.writerow([scan, *(reading.text if reading.accepted else "" for reading in readings.values())])
        for name, reading in readings.items():
            if not reading.accepted:
                print(f"{scan}: {name}: {reading.reason}, perhaps {reading.text!r}", file=sys.stderr)


if __name__ == "__main__":
    main()
