"""An int8 network as C: planned, written, compiled and run."""
