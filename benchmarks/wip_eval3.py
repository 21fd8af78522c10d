import sys

sys.path[:0] = ["/tmp/w16", "/tmp/wt/read16/runtime"]
import numpy as np, csv, time
from pathlib import Path
from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.decode import read_picture
from digits_edge.runtime.numbers.read import read_numbers

try:
    from digits_edge.runtime.picture.shrink import to_grey
except ImportError:
    from digits_edge.runtime.picture.decode import to_grey
C = Classifier.load()


def lev(a, b):
    d = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        q = d[0]
        d[0] = i
        for j, y in enumerate(b, 1):
            q, d[j] = d[j], min(d[j] + 1, d[j - 1] + 1, q + (x != y))
    return d[-1]


def folder(f, names=(), show=True):
    rows = [r for r in csv.reader(open(f / "labels.csv"))][1:]
    ok = N = e = tot = acc = accok = 0
    spaces = 0
    for r in rows:
        if names and not any(n in " ".join(r) for n in names):
            continue
        g = str(f / r[0])
        t = time.time()
        R = read_numbers(g, C.predict_proba, C.contract, None)
        dt = time.time() - t
        want = r[1].replace("_", " ").replace("-", "/")
        text = R.text.replace("\n", "/")
        good = text.replace(" ", "") == want.replace(" ", "")
        ok += good
        spaces += text == want
        N += 1
        e += lev(text.replace(" ", ""), want.replace(" ", ""))
        tot += len(want)
        acc += R.accepted
        accok += R.accepted and good
        if show and (not good or names or text != want):
            print(
                r[0],
                want,
                "->",
                text,
                f"{dt * 1000:.0f}ms",
                R.reason,
                [(d.label, round(d.score, 2)) for d in R.digits][:14],
                [round(n.score, 2) for n in R.numbers][:5],
            )
    print(
        f,
        ok,
        "of",
        N,
        "right",
        f"({spaces} with spaces); char errors {e} of {tot}; accepted {acc}, right of those {accok}",
        flush=True,
    )


def synth(N=60):
    from strings import string, touching, on_paper

    rng = np.random.default_rng(5)
    tm = time.time()
    for name, mk in {
        "apart .25": lambda n, h: string(rng, n, h, 0.25),
        "apart .1": lambda n, h: string(rng, n, h, 0.1),
        "touch 0": lambda n, h: touching(rng, n, h, 0.0),
        "touch .05": lambda n, h: touching(rng, n, h, 0.05),
        "touch .12": lambda n, h: touching(rng, n, h, 0.12),
    }.items():
        line = []
        for n in (2, 3, 5):
            ok = acc = aok = 0
            for _ in range(N):
                h = int(rng.choice([18, 28, 45, 80]))
                c, t = mk(n, h)
                g = on_paper(rng, c)
                R = read_numbers(g, C.predict_proba, C.contract, None)
                k = R.text.replace(" ", "").replace("\n", "/") == t
                ok += k
                acc += R.accepted
                aok += k and R.accepted
            line.append(f"{n}: {ok / N:.0%} (acc {acc / N:.0%}, right {aok / max(acc, 1):.0%})")
        print(name, *line, flush=True)
    print(f"{(time.time() - tm) / N / 15 * 1000:.0f} ms each")


if __name__ == "__main__":
    if "synth" in sys.argv:
        synth()
    else:
        folder(Path("/work/shared/data/numbers"), sys.argv[1:])
        folder(Path("/work/shared/data/hard"), sys.argv[1:])
