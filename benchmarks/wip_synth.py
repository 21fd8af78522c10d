import sys

sys.path.insert(0, "/tmp/w16")
import numpy as np, pickle
from digits_edge.trainer import read_dataset
from digits_edge.trainer.datasets.split import split
from digits_edge.runtime.picture.resize import resize

d = read_dataset("/work/shared/data/mnist", part="train")
from inspect import signature
import json

s = json.load(open("/work/main/artifacts/compact/manifest.json"))
sp = s.get("split") or s["trained"]["split"] if "trained" in s else None
print(sp)
rows = split(d, sp["fraction"], sp["seed"]).validation if sp else np.arange(57000, 60000)
px, y = d.pixels[rows], d.targets[rows]
np.savez("/tmp/w16/val.npz", px=px, y=y)
