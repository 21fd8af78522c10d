import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, keras, sys
from keras import layers as L

X = np.concatenate([np.load(f"gaps{s}.npz")["x"] for s in (1, 2)])
T = np.concatenate([np.load(f"gaps{s}.npz")["t"] for s in (1, 2)])


def s2d(t, k=4):
    n, h, w = t.shape
    return t.reshape(n, h // k, k, w // k, k).transpose(0, 1, 3, 2, 4).reshape(n, h // k, w // k, k * k)


C = 32
inp = keras.Input((32, None, 1))
x = L.Rescaling(1 / 255.0)(inp)


def cbr(x, c, s=1):
    x = L.Conv2D(c, 3, strides=s, padding="same", use_bias=False)(x)
    x = L.BatchNormalization(momentum=0.9)(x)
    return L.ReLU()(x)


x = cbr(x, 16, 2)
x = cbr(x, C, 2)
x = cbr(x, C)
x = cbr(x, C)
x = cbr(x, C)
out = L.Conv2D(16, 1)(x)
m = keras.Model(inp, out)
print(m.count_params())
n = len(X) - 1000
ep = int(sys.argv[1])
m.compile(
    keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, ep * (n // 64))),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
)
t = s2d(T).astype("float32")
m.fit(
    X[:n, ..., None],
    t[:n],
    batch_size=64,
    epochs=ep,
    validation_data=(X[n:, ..., None], t[n:]),
    verbose=2,
    callbacks=[keras.callbacks.ModelCheckpoint("splitter32.keras")],
)
