"""Read datasets, build and fit the CNN, write a run."""
