"""Turn a picture into the pixels that a model takes."""
