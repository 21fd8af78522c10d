"""Read pictures on many machines with Dask: python examples/dask_partitions.py FOLDER|CSV... [--scheduler tcp://...]

The paths are dealt out in partitions; each goes to a process that has the same `Classifier`, sent once, and reads its
own files. Without `--scheduler` the processes are this machine's. On several machines, all must see the same paths:
`dask scheduler` on one, `dask worker tcp://...` on each. Large CSVs are best cut into several.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from distributed import Client

from digits_edge.runtime import Classifier
from digits_edge.runtime.batch.image_folder import pictures_in
from digits_edge.runtime.batch.predict_paths import PictureResult, predict_paths

PARTITION = 256  # paths


def read(paths: list[str], classifier: Classifier) -> list[PictureResult]:
    """One partition, in one process."""
    return [result for batch in predict_paths(classifier, paths) for result in batch.results]


def results(paths: Iterable[str], client: Client, partition: int = PARTITION) -> Iterator[PictureResult]:
    """Yield the result of every picture, in the order of the paths."""
    files = [file for path in paths for file in (pictures_in(path) if Path(path).is_dir() else [path])]
    classifier = client.scatter(Classifier.load(), broadcast=True)
    parts = [files[start : start + partition] for start in range(0, len(files), partition)]
    for future in [client.submit(read, part, classifier) for part in parts]:
        yield from future.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", metavar="FOLDER|CSV")
    parser.add_argument("--scheduler", help="its address; this machine's processes unless given")
    parser.add_argument("--processes", type=int, help="on this machine; as many as it has cores unless given")
    parser.add_argument("--partition", type=int, default=PARTITION, help="paths that a process is given at once")
    options = parser.parse_args()
    counted: Counter[str] = Counter()
    os.environ["PYTHONSAFEPATH"] = "1"  # the processes import nothing from the current folder
    here = {"n_workers": options.processes, "threads_per_worker": 1, "dashboard_address": None}
    with Client(options.scheduler) if options.scheduler else Client(**here) as client:
        for result in results(options.paths, client, options.partition):
            if result.error:
                print(result.error, file=sys.stderr)
            elif result.prediction:
                counted[result.prediction.label or result.prediction.reason or ""] += 1
    print(dict(counted))


if __name__ == "__main__":
    main()
