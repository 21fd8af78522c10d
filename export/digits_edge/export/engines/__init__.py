"""Run model files: ours, LiteRT's, TensorFlow Lite for Microcontrollers', and those of third parties."""
