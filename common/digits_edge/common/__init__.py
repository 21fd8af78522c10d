"""Share what the workstation's rooms need: atomic folders, progress, silence, numerics, tables, Keras helpers."""
