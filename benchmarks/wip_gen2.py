"""strips 32 x 160 of touching digits with the map of cuts."""

import numpy as np, sys
from scipy import ndimage as nd
from digits_edge.trainer import read_dataset

z = None


def pool():
    d = read_dataset("/work/shared/data/mnist", part="train")
    val = np.load("/tmp/w16/val.npz")
    return d.pixels[:57000], d.targets[:57000]


H, W = 32, 160


def warp(g, h, w, shear, th):
    # rotate/shear light and scale to h x w
    ys, xs = np.nonzero(g > 40)
    g = g[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].astype(np.float32) / 255
    hh, ww = g.shape
    out_w = w + int(abs(shear) * h) + 1
    M = np.array([[hh / h, 0], [shear * ww / w, ww / w]])
    off = np.array([0, -(shear * h if shear > 0 else 0) * ww / w])
    p = nd.affine_transform(g, M, offset=off, output_shape=(h, out_w), order=1)
    if th:
        p = nd.grey_dilation(p, (3, 3)) if th > 0 else nd.grey_erosion(p, (2, 2))
    xs = np.flatnonzero((p > 0.3).any(0))
    ys = np.flatnonzero((p > 0.3).any(1))
    return p[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] if len(xs) and len(ys) else None


def strip(rng, PX):
    c = np.zeros((H, W), np.float32)
    t = np.zeros((H, W), np.float32)
    keep = np.ones((H, W), np.float32)
    right = None
    x = int(rng.integers(0, 14))
    base = rng.uniform(18, 28)
    th = rng.choice([-1, 0, 0, 0, 1])
    shear = rng.uniform(-0.3, 0.3)
    tilt = rng.uniform(-0.06, 0.06)
    mode = rng.random()
    first = True
    prev = None
    y0b = rng.uniform(0, H - base)
    n = int(rng.integers(1, 9))
    for _ in range(n):
        h = int(np.clip(base * rng.uniform(0.8, 1.15), 12, H))
        g = PX[rng.integers(len(PX))]
        ys, xs = np.nonzero(g > 40)
        asp = (xs.max() - xs.min() + 1) / (ys.max() - ys.min() + 1)
        if asp > 2:
            continue
        p = warp(g, h, max(3, int(h * asp * rng.uniform(0.85, 1.15))), shear * h / max(h, 1), th)
        if p is None:
            continue
        m = p > 0.35
        y0 = int(np.clip(y0b + tilt * x + (base - p.shape[0]) / 2 + rng.uniform(-0.08, 0.08) * base, 0, H - p.shape[0]))
        rows = np.arange(p.shape[0]) + y0
        start = np.where(m.any(1), m.argmax(1), 10**6)
        if right is not None:
            have = (start < 10**6) & (right[rows] > -1)
            touch = int(np.max(np.where(have, right[rows] - start, -(10**6)))) if have.any() else int(right.max())
            gap = rng.uniform(-0.14, 0.04) * base if rng.random() < 0.65 else rng.uniform(0.04, 0.5) * base
            x = touch + int(round(gap))
        if x + p.shape[1] > W - 1:
            break
        x = max(x, 0)
        if right is not None:
            # boundary: per row between right end of what stands and start of new one
            L = np.full(H, np.nan)
            R = np.full(H, np.nan)
            L[right > -1] = right[right > -1]
            R[rows[start < 10**6]] = x + start[start < 10**6]

            def fill(v):
                ok = ~np.isnan(v)
                return np.interp(np.arange(H), np.flatnonzero(ok), v[ok]) if ok.any() else v

            # rows with only one side: the boundary may lie anywhere beyond that side
            Lf, Rf = fill(L), fill(R)
            if not np.isnan(Lf).any() and not np.isnan(Rf).any():
                lo, hi = np.minimum(Lf, Rf), np.maximum(Lf, Rf)
                for y in range(H):
                    a, b = lo[y], hi[y]
                    gapw = b - a
                    if Rf[y] > Lf[y] + 2:  # open gap: middle third
                        pass
                    a, b = int(np.floor(a)), int(np.ceil(b))
                    if b - a < 2:
                        b = a + 2
                    t[y, max(0, a) : min(W, b)] = 1
        c[y0 : y0 + p.shape[0], x : x + p.shape[1]] = np.maximum(c[y0 : y0 + p.shape[0], x : x + p.shape[1]], p)
        nr = np.full(H, -1.0)
        mm = m.any(1)
        nr[rows[mm]] = x + p.shape[1] - m[:, ::-1].argmax(1)[mm]
        right = nr
    c = c * rng.uniform(0.7, 1.1) + rng.normal(0, rng.uniform(0, 0.06), c.shape)
    if rng.random() < 0.3:
        c = nd.gaussian_filter(c, rng.uniform(0.3, 0.8))
    return (c.clip(0, 1) * 255).astype(np.uint8), t.astype(np.uint8)


if __name__ == "__main__":
    seed, N = int(sys.argv[1]), int(sys.argv[2])
    rng = np.random.default_rng(seed)
    PX, _ = pool()
    X = np.zeros((N, H, W), np.uint8)
    T = np.zeros((N, H, W), np.uint8)
    for i in range(N):
        X[i], T[i] = strip(rng, PX)
    np.savez(f"/tmp/w16/gaps{seed}.npz", x=X, t=T)
