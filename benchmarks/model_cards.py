"""A released model's card: what it is for, what it was made of, what it can do and what it cannot."""

from pathlib import Path
from typing import Any

from corruptions import CORRUPTIONS, HELD_OUT

from digits_edge.common.tables import table
from digits_edge.export.report.gate_table import judged
from digits_edge.runtime.bundle import Bundle

ABOUT = {
    "nano": "The smallest: for microcontrollers with 8 kB of flash.",
    "micro": "Small: for microcontrollers and wherever a few kilobytes count.",
    "compact": "The default, and the model in the wheel.",
    "notebook": "The blog notebook's network by this project's recipe: for comparison, and where size is free.",
}


def write_card(folder: Path, run: dict[str, Any], facts: dict[str, str], corrupted: dict[str, str]) -> None:
    """Write `MODEL_CARD.md`.

    Args:
        folder: the bundle's.
        run: how the published seed was trained, from its manifest.
        facts: the row of the table in docs/reference/benchmarks.md.
        corrupted: accuracy by corruption.
    """
    gate = Bundle.open(folder).section("gate")
    notes = "".join(f"- `{rung['file']}`: {rung['note']}.\n" for rung in judged(gate) if "note" in rung)
    notes += "\n" * bool(notes)
    name, recipe, split = folder.name, run["recipe"], run["split"]
    changes = {k: v for k, v in recipe["augmentation"].items() if v not in (0, [1, 1], "constant")}
    hands = recipe["hands"]
    drawn = f"; and {hands} drawn ones, of ways to write that MNIST lacks" if hands else ""
    described = [
        (kind, " ".join((CORRUPTIONS[kind].__doc__ or "").split()), share) for kind, share in corrupted.items()
    ]
    (folder / "MODEL_CARD.md").write_text(
        f"""# {name}

{ABOUT[name]} Reads one handwritten digit in 28 x 28 grey pixels.

## Intended use

Single digits, 0 to 9, that were found and brought to MNIST's form as `digits_edge.runtime` does it: white ink on black,
boxed to 20 x 20, centre of mass in the middle. On forms, meters, toys, in class. Not for anything where a wrong digit
harms somebody and nobody checks. Most letters, objects and several digits at once are rejected, not all: see
`accepted` in the README.

## Figures

Mean over the seeds after the last epoch; in brackets the lowest and the highest. `t10k` is MNIST's test part, no
picture of which was trained on, nor of any other column. Calibration error is the expected one over 15 bins, on t10k.

{table(("", name), list(facts.items()))}

{notes}t10k's 10,000, each made harder to read (`benchmarks/corruptions.py`; those held out are of a kind that no recipe
trains with):

{table(("corruption", "what it does", "accuracy"), described)}

## What it was made of

MNIST's 60,000: {split["training"]:,} to train on, {split["validation"]:,} held out for the gate and for the temperature
that calibrates its probabilities. Published is seed {run["seed"]}, the first, whatever the others did.
Recipe `{recipe["name"]}`: {recipe["epochs"]} epochs of batch {recipe["batch_size"]}, the last {recipe["gentle_epochs"]}
with little augmentation, {recipe["optimizer"]} at {recipe["learning_rate"]} with {recipe["schedule"]} schedule, weight
decay {recipe["weight_decay"]}, precision `{recipe["precision"]}`.
For each digit it saw {recipe["outliers"]} outliers, to be unsure of: letters,
scribbles, shapes, textures, cut-up digits{drawn}.
Augmentation: {", ".join(f"{k} {v}" for k, v in changes.items())}.

## Limits

- MNIST's writers were American: census workers and pupils of the 1980s and 90s. A European 1 with a long upstroke, a
  crossed 7 or an open 4 is rarer in it than elsewhere{": of these it has mostly seen drawn ones" if drawn else ""}.
- What no recipe trains against may cost more than what it does: see {" and ".join(HELD_OUT)} above.
- Photographs are only as good as what finds the digit in them.
""",
        encoding="utf-8",
    )
