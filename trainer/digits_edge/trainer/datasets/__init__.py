"""Read labelled pictures: CSV, IDX, `.npz`, folders of pictures, and two built-in datasets."""
