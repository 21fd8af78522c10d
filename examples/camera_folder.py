"""Read each picture that a camera puts into a folder: python examples/camera_folder.py FOLDER [--once] [--model BUNDLE]

One JSON line a picture on stdout, in the order of the files' names. A camera may still be writing a file when it is
first seen, so a file is read when its size is the same twice; with `--once` the folder is read as it is.
"""

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path

from digits_edge.runtime import Classifier, PictureError
from digits_edge.runtime.batch.image_folder import pictures_in


def read(classifier: Classifier, path: str) -> dict[str, object]:
    try:
        prediction = classifier.predict(path)
    except PictureError as error:  # one bad picture does not stop the camera
        return {"path": path, "error": str(error)}
    return {
        "path": path,
        "label": prediction.label,
        "score": round(prediction.score, 3),
        "accepted": prediction.accepted,
        "reason": prediction.reason,
    }


def size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # taken away meanwhile
        return -1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--once", action="store_true", help="read what is there and end")
    parser.add_argument("--model", help="a bundle or an .onnx; the package's model unless given")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"expected a folder, received {options.folder}")
    classifier = Classifier.load(options.model)
    sizes: dict[str, int] = {}  # when last seen, of the files that wait to be read
    done: set[str] = set()
    while True:
        waiting = [path for path in pictures_in(options.folder) if path not in done]
        before, sizes = sizes, {path: size(path) for path in waiting}
        for path in waiting:
            if options.once or before.get(path) == sizes[path]:
                print(json.dumps(read(classifier, path)), flush=True)
                done.add(path)
        if options.once:
            return
        time.sleep(0.5)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
