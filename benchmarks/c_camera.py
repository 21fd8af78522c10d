"""How near the C of a camera comes to the runtime, and what it takes of a Cortex-M4.

python benchmarks/c_camera.py --photos FOLDER --data mnist-idx-folder [--model micro]

FOLDER holds pictures and a labels.csv with the columns file and label. They are brought to so many pixels of the longer
side first, and both read the same grey picture. Answers of t10k are accepted by the C and by the runtime. Instructions
are counted on a Cortex-M4 that qemu emulates, in frames of 160 x 120 cut out of the photographs. A dash stands where a
tool is missing.
"""

import argparse
import csv
import ctypes
import re
import shutil
import tempfile
from pathlib import Path

import bare_metal
import numpy as np
from bare_metal import M4
from c_engine import GCC, NONE, Program, missing, written
from PIL import Image, ImageOps

from digits_edge.common.tables import table
from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.finder import find_digit
from digits_edge.trainer import read_dataset

ROOT = Path(__file__).parents[1]
LONGER_SIDES = (320, 160, 120, 96, 64)
NEAR = 2  # grey levels
EMULATED = 8  # of so many photographs one is searched on the Cortex-M4
FRAME = """
#include "NAME_camera.h"
#define FRAME_PIXELS (160 * 120)
#define FRAME_CLASSES 784
int frame_classify(const uint8_t *image, int8_t *pixels);
"""
SEARCH = """
#include <string.h>
#include "frame.h"
int frame_classify(const uint8_t *image, int8_t *pixels)
{
    static uint32_t workspace[MACRO_WORKSPACE(160, 120) / 4];
    static NAME_finding finding;
    int found = NAME_find(image, 160, 120, 160, workspace, &finding);
    memcpy(pixels, finding.pixels, FRAME_CLASSES);
    return found;
}
"""


class Library:
    """The C, compiled for this machine."""

    def __init__(self, program: Program) -> None:
        name, path = program.sources.name, program.folder / "camera.so"
        flags = ("-std=c99", "-O2", "-shared", "-fPIC", "-o", path)
        bare_metal.tell(*GCC.command, *flags, f"{name}.c", f"{name}_camera.c", cwd=program.folder)
        library = ctypes.CDLL(str(path))
        self._find, self._accepts = getattr(library, f"{name}_find"), getattr(library, f"{name}_accepts")
        self._workspace = (ctypes.c_uint32 * 2**15)()

    def find(self, grey: np.ndarray) -> tuple[np.ndarray | None, bool]:
        """The digit's pixels uint8[28, 28], None without ink, and whether there are several."""
        finding = np.zeros(28 * 28 + 10, np.uint8)  # see NAME_finding: pixels, box, ink, several
        height, width = grey.shape
        picture = np.ascontiguousarray(grey)
        where, room = picture.ctypes.data_as(ctypes.c_void_p), finding.ctypes.data_as(ctypes.c_void_p)
        found = self._find(where, width, height, width, self._workspace, room)
        return (finding[:784].reshape(28, 28) if found else None), bool(finding[-1])

    def accepts(self, logits: np.ndarray) -> np.ndarray:
        """Which answers int8[N, C] are accepted, bool[N]."""
        return np.array([self._accepts(row.ctypes.data_as(ctypes.c_void_p)) for row in logits.astype(np.int8)], bool)


def reduced(path: Path, longer: int) -> np.ndarray:
    picture = ImageOps.exif_transpose(Image.open(path)).convert("L")
    scale = min(1, longer / max(picture.size))
    width, height = (max(8, round(side * scale)) for side in picture.size)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))


def agreement(longer: int, library: Library, classifier: Classifier, photos: list[tuple[Path, str]]) -> tuple[str, ...]:
    ours, theirs, expected, same_ink, same_several = [], [], [], 0, 0
    for path, label in photos:
        grey = reduced(path, longer)
        found, (pixels, several) = find_digit(grey), library.find(grey)
        same_ink += (found.pixels is None) == (pixels is None)
        same_several += found.several == several
        if found.pixels is not None and pixels is not None:
            ours.append(pixels)
            theirs.append(found.pixels)
            expected.append(label)
    near = np.abs(np.array(ours, int) - np.array(theirs)) <= NEAR
    answers = [classifier.predict_proba(np.array(found)).argmax(axis=1) for found in (ours, theirs)]
    labels = [np.array(classifier.labels)[answer] for answer in answers]
    shares = (same_ink / len(photos), same_several / len(photos), near.mean(), (answers[0] == answers[1]).mean())
    right = [(label == np.array(expected)).sum() / len(photos) for label in labels]
    return str(longer), *(f"{share:.2%}" for share in (*shares, *right))


def flash(program: Program, level: str) -> str:
    if missing(M4.compiler, "arm-none-eabi-size"):
        return NONE
    target = ("-std=c99", "-mcpu=cortex-m4", "-mthumb", level)
    bare_metal.tell(M4.compiler, *target, "-c", "-o", "m4.o", f"{program.sources.name}_camera.c", cwd=program.folder)
    return f"{int(bare_metal.tell('arm-none-eabi-size', 'm4.o', cwd=program.folder).splitlines()[1].split()[0]):,}"


def on_cortex_m4(program: Program, library: Library, photos: list[tuple[Path, str]]) -> tuple[str, str, str]:
    """Instructions a frame of 160 x 120, bytes of stack, and frames with other pixels than here."""
    if missing(M4.compiler, M4.machine):
        return NONE, NONE, NONE
    name, folder = program.sources.name, program.folder
    for file, text in (("frame.h", FRAME), ("frame.c", SEARCH)):
        (folder / file).write_text(text.replace("NAME", name).replace("MACRO", name.upper()))
    pictures = [Image.fromarray(reduced(path, 220)) for path, _ in photos[::EMULATED]]
    frames = [np.asarray(ImageOps.fit(picture, (160, 120), Image.Resampling.BOX)) for picture in pictures]
    (folder / "pictures").write_bytes(b"".join(frame.tobytes() for frame in frames))
    said = bare_metal.run("frame", folder, more=("-O2", f"{name}.c", f"{name}_camera.c", "--specs=nosys.specs"))
    numbers = {what: int(number) for what, number in re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)}
    theirs = np.fromfile(folder / "logits", np.uint8).reshape(len(frames), -1)[:, 1:]
    expected = [np.zeros(784) if (found := library.find(frame)[0]) is None else found.ravel() for frame in frames]
    other = int((theirs != np.array(expected)).any(axis=1).sum())
    return f"{numbers['instructions'] / len(frames):,.0f}", f"{numbers['stack']:,}", f"{other} of {len(frames)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of pictures with a labels.csv")
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    parser.add_argument("--model", default="micro", help="a released one")
    options = parser.parse_args()
    if shutil.which("gcc") is None:
        parser.error("expected gcc, found none")
    with (options.photos / "labels.csv").open(encoding="utf-8", newline="") as file:
        photos = [(options.photos / row["file"], row["label"]) for row in csv.DictReader(file)]
    classifier = Classifier.load(ROOT / "artifacts" / options.model)
    test = read_dataset(options.data, part="test").pixels
    with tempfile.TemporaryDirectory() as folder:
        program = written(options.model, Path(folder))
        library = Library(program)
        rows = [agreement(longer, library, classifier, photos) for longer in LONGER_SIDES]
        logits = np.concatenate([program.network.logits(some) for some in np.array_split(test, 20)])
        accepted = (library.accepts(logits) == classifier.contract.accepts(classifier.predict_proba(test))).mean()
        costs = [(flash(program, "-Os"), flash(program, "-O2"), *on_cortex_m4(program, library, photos))]
    print(table(AGREEMENT, rows), f"t10k: accepted as by the runtime {accepted:.2%}", table(COST, costs), sep="\n\n")


AGREEMENT = (
    "longer side",
    "same about ink",
    "same about several",
    f"pixels within {NEAR}",
    "same label",
    "right in C",
    "right in the runtime",
)
COST = ("flash, -Os", "flash, -O2", "instructions a frame, -O2", "stack", "frames with other pixels")

if __name__ == "__main__":
    main()
