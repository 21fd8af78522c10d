"""Compare exported models with the Keras model: criteria, gate, parity, confusion, rejection, accuracy."""
