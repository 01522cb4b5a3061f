"""Data sets: scikit-learn's digits, arrays in an .npz file, folders of images."""
