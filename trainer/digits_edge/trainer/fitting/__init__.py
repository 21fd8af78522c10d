"""Build, augment, fit and calibrate a network."""
