"""Convert a Keras model to float ONNX and TFLite, in a child process."""
