import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, tf2onnx, tensorflow as tf

m = keras.models.load_model("/tmp/w16/splitter.keras")
w = m.get_weights()
m = keras.models.clone_model(m, input_tensors=keras.Input((None, None, 1)))
m.set_weights(w)


def fn(ink):
    return m(tf.cast(ink, tf.float32)[..., None], training=False)


o, _ = tf2onnx.convert.from_function(
    tf.function(fn), [tf.TensorSpec((1, None, None), tf.uint8, name="ink")], opset=17, output_path="/tmp/w16/seams.onnx"
)
