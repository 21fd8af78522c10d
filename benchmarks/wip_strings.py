import numpy as np
from digits_edge.runtime.picture.resize import resize

z = np.load("/tmp/w16/val.npz")
PX, Y = z["px"], z["y"]


def string(rng, n, h, gap, slant=0, rise=0.05):
    """n digits of height h px; gap in units of h (negative overlaps boxes)"""
    parts = []
    text = ""
    for _ in range(n):
        k = rng.integers(len(PX))
        g = PX[k].astype(np.float32)
        ys, xs = np.nonzero(g > 30)
        g = g[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        s = h / g.shape[0] if g.shape[0] >= 12 else h / 20
        s *= rng.uniform(0.9, 1.1)
        parts.append(resize(g, max(2, round(g.shape[0] * s)), max(2, round(g.shape[1] * s))))
        text += str(Y[k])
    Hh = int(h * 1.9) + 8
    Wd = int(sum(p.shape[1] for p in parts) + abs(gap) * h * (n + 1) + 2 * h)
    c = np.zeros((Hh, Wd), np.float32)
    x = int(h * 0.6)
    for p in parts:
        y0 = int((Hh - p.shape[0]) / 2 + rng.uniform(-rise, rise) * h)
        c[y0 : y0 + p.shape[0], x : x + p.shape[1]] = np.maximum(c[y0 : y0 + p.shape[0], x : x + p.shape[1]], p)
        # gap measured between inks: move until the min horizontal ink distance equals gap
        x += p.shape[1] + int(round((gap + rng.uniform(-0.03, 0.03)) * h))
    return c[:, : x + int(h * 0.6)], text


def touching(rng, n, h, overlap):
    """each neighbour is pushed in until `overlap`*h pixels of its rows' ink profile overlap"""
    c = np.zeros((int(h * 1.6), int(h * 1.2 * n + 2 * h)), np.float32)
    text = ""
    right = None
    x = int(h * 0.5)
    for _ in range(n):
        k = rng.integers(len(PX))
        g = PX[k].astype(np.float32)
        ys, xs = np.nonzero(g > 30)
        g = g[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        s = (h / max(g.shape[0], 12)) * rng.uniform(0.9, 1.1)
        p = resize(g, max(2, round(g.shape[0] * s)), max(2, round(g.shape[1] * s)))
        text += str(Y[k])
        y0 = int((c.shape[0] - p.shape[0]) / 2 + rng.uniform(-0.06, 0.06) * h)
        m = p > 90
        if right is not None:
            rows = np.arange(p.shape[0]) + y0
            first = np.where(m.any(1), m.argmax(1), 10**6)
            have = (first < 10**6) & (right[rows] > 0)
            x = int(np.max(np.where(have, right[rows] - first, -(10**6)))) if have.any() else x
            x = x - int(round(overlap * h))
        x = max(x, 1)
        c[y0 : y0 + p.shape[0], x : x + p.shape[1]] = np.maximum(c[y0 : y0 + p.shape[0], x : x + p.shape[1]], p)
        m = c > 90
        right = np.where(m.any(1), c.shape[1] - m[:, ::-1].argmax(1), 0)
    return c[:, : min(c.shape[1], right.max() + int(h * 0.5))], text


def on_paper(rng, c):
    H, W = c.shape
    paper = rng.uniform(170, 245)
    ink = rng.uniform(20, 110)
    yy, xx = np.mgrid[0:H, 0:W]
    light = 1 + rng.uniform(-0.1, 0.1) * xx / W + rng.uniform(-0.1, 0.1) * yy / H
    g = (paper + (ink - paper) * c / 255) * light + rng.normal(0, rng.uniform(0, 4), (H, W))
    return g.clip(0, 255).astype(np.uint8)
