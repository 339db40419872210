"""Small tables in files, as the tests of the command line write them."""

from __future__ import annotations

import csv

import numpy as np

NAMES = ("setosa", "versicolor", "virginica")
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def flowers(m=60, seed=0):
    """Examples of three species around distinct means, and the name of each."""
    random = np.random.default_rng(seed)
    indices = np.arange(m) % 3
    means = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    X = (means[indices] + random.normal(size=(m, 4)) * [0.2, 0.2, 0.2, 0.1]).round(3)
    return X, [NAMES[i] for i in indices]


def write_table(path, X, labels=None, *, columns=COLUMNS, label="species", header=True):
    """Write examples as comma-separated values, the labels last; return the path as text."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow([*columns, *([] if labels is None else [label])])
        for i, row in enumerate(X if isinstance(X, list) else X.tolist()):
            writer.writerow([*row, *([] if labels is None else [labels[i]])])
    return str(path)
