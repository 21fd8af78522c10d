"""Turn a run into a bundle, or refuse; judge and time what was exported."""
