"""The code blocks of the documentation do what they say.

Each page is run from top to bottom in a folder with the files that it names: `sh` and `python` blocks are executed, a
block with a title is written to a file of that name, and a `text` block that follows is compared with what was printed.
Training and exporting take minutes, so they are checked and read as always and then give a run and a bundle that exist
already; `make soak` runs the quickstart as it stands. A comment above a block says why it is not run or not compared.
"""

from __future__ import annotations

import gzip
import shutil
import webbrowser

import numpy as np
import pages
import pytest
from pages import PAGES, ROOT, blocks, perform
from PIL import Image

from digits_edge.cli.labelling.server import LabelServer
from digits_edge.export import pipeline as exporting
from digits_edge.export.options import ExportOptions
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.trainer import TrainOptions
from digits_edge.trainer import pipeline as training
from digits_edge.trainer.datasets import builtin
from digits_edge.trainer.datasets.read import read_class_names, read_dataset
from digits_edge.trainer.datasets.split import split
from digits_edge.trainer.run import Run

RUN = [page for page in PAGES if any(block.language in ("sh", "python") for block in blocks(page))]
RUN.remove(ROOT / "docs/how-to/own-digits.md")  # which test_own_digits.py runs in earnest
SKIPPED = [block for page in PAGES for block in blocks(page) if block.skipped]


@pytest.fixture
def workspace(trained, tmp_path, monkeypatch):
    """The files that the pages name, in the current folder."""
    classifier = Classifier.load()
    golden = classifier.contract.golden
    pixels, labels = golden.pixels, [classifier.labels[row.argmax()] for row in golden.probabilities]

    def photo(label: str) -> Image.Image:
        return Image.fromarray(255 - pixels[labels.index(label)]).resize((140, 140), Image.Resampling.BILINEAR)

    photo("7").save(tmp_path / "photo.jpg")
    (tmp_path / "scans").mkdir()
    photo("3").save(tmp_path / "scans/0001.png")
    Image.new("L", (80, 60), 230).save(tmp_path / "scans/0002.png")
    number = np.concatenate([pixels[labels.index(label)] for label in "75013"], axis=1)
    Image.fromarray(255 - np.pad(number, 6)).resize((456, 120), Image.Resampling.BILINEAR).save(tmp_path / "number.png")
    x, y = trained.validation()
    for row, label in enumerate(y[:100]):
        folder = tmp_path / "pictures" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[row]).save(folder / f"{row}.png")
    shutil.copytree(tmp_path / "pictures", tmp_path / "collected")
    named = {path: path.parent.name for path in sorted((tmp_path / "collected").rglob("*.png"))}
    rows = [f"{path.rename(tmp_path / 'collected' / path.name).name},{label}" for path, label in named.items()]
    for name in set(named.values()):
        (tmp_path / "collected" / name).rmdir()
    (tmp_path / "collected/labels.csv").write_text("\n".join(["file,label", *rows]))
    header = ",".join(f"pixel{i}" for i in range(784))
    rows = [",".join(map(str, row)) for row in x.reshape(len(x), -1)]
    labelled = [f"{label},{row}" for label, row in zip(y, rows, strict=True)]
    (tmp_path / "train.csv").write_text("\n".join([f"label,{header}", *labelled]) + "\n")
    (tmp_path / "test.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress((tmp_path / "test.csv").read_bytes()))
    (tmp_path / "names.txt").write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    (tmp_path / "fashion").mkdir()
    for name, magic, array in (("images-idx3", 2051, x), ("labels-idx1", 2049, y)):
        head = np.array([magic, *array.shape], ">i4").tobytes()
        (tmp_path / f"fashion/train-{name}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    shutil.copy(trained.model_path, tmp_path / "mine.keras")
    shutil.copytree(ROOT / "artifacts/micro", tmp_path / "artifacts/micro")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stand_ins(trained, digits, monkeypatch):
    """Training and exporting give what exists already, after every check of options and data; the sample is smaller."""

    def train(options: TrainOptions) -> Run:
        options.check()
        names = read_class_names(options.names) if options.names else None
        split(read_dataset(options.data, names=names, preprocess=options.preprocess), options.validation_fraction, 0)
        shutil.copytree(trained.path, options.out)
        return Run.open(options.out)

    def export(options: ExportOptions) -> Bundle:
        exporting._checked(options)
        if not isinstance(options.source, Run):
            read_dataset(options.source.data, names=options.source.names)
        released = "micro" if {"c", "web"} & set(options.formats) else "compact"
        shutil.copytree(
            ROOT / "artifacts" / released,
            options.out,
            ignore=lambda *_: ["MODEL_CARD.md", "model.keras"],
            dirs_exist_ok=True,
        )
        return Bundle.open(options.out)

    monkeypatch.setattr(builtin, "read_sample", lambda: (digits.pixels, digits.targets))
    monkeypatch.setattr(LabelServer, "serve_forever", lambda *_, **__: None)  # nobody is there to label
    monkeypatch.setattr(webbrowser, "open", lambda _: True)
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(exporting, "export", export)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page, workspace, stand_ins, trained, digits_edge):
    if page.parent.name == "how-to" and page.stem != "train":  # the pages that begin with a run of yours
        shutil.copytree(trained.path, "artifacts/runs/kaggle")
        shutil.copytree("artifacts/micro", "artifacts/runs/kaggle/bundle")
    perform(page, digits_edge)


@pytest.mark.soak
def test_the_quickstart_runs_without_stand_ins(workspace, digits_edge):
    perform(ROOT / "docs/quickstart.md", digits_edge)
    assert Run.newest().info.dataset.pictures == 5000


@pytest.mark.parametrize("block", SKIPPED, ids=lambda block: block.where)
def test_blocks_that_are_not_run(block):
    pytest.skip(f"{block.where}: {block.note}")


def test_every_block_is_of_a_kind_that_is_known():
    assert {block.language for page in PAGES for block in blocks(page)} <= {"sh", "python", "c", "text"}
    for page in PAGES:
        assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(blocks(page)), page


@pytest.mark.parametrize(("code", "text"), [("print(8)", "7"), ("raise ValueError", "")])
def test_that_a_page_can_fail(code, text, tmp_path, digits_edge, monkeypatch):
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"```python\n{code}\n```\n\n```text\n{text}\n```\n")
    with pytest.raises((AssertionError, ValueError)):
        perform(tmp_path / "page.md", digits_edge)
