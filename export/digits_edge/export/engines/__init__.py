"""Run model files of any origin, with our runtime, LiteRT or TensorFlow Lite for Microcontrollers."""
