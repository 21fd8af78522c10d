"""Compare exported models with the Keras model: gate, parity, confusion, rejection, accuracy."""
