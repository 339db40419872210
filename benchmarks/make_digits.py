"""Make ``formulations/data/digits/digits.npz`` from scikit-learn's copy of the digits.

The same input gives the same bytes. ``np.savez_compressed`` stores the time in the archive, so the members are written
here, with zip's earliest date and the strongest compression.

    python benchmarks/make_digits.py
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TARGET = Path(__file__).resolve().parents[1] / "formulations" / "data" / "digits" / "digits.npz"


def source_arrays() -> dict[str, NDArray[np.uint8]]:
    """Return scikit-learn's images and labels as uint8, in its order."""
    from sklearn.datasets import load_digits

    source = load_digits()
    arrays = {"images": source.data.astype(np.uint8), "labels": source.target.astype(np.uint8)}
    if any(not np.array_equal(arrays[new], source[old]) for new, old in (("images", "data"), ("labels", "target"))):
        raise ValueError("expected whole numbers from 0 to 255, got others; check what changed in scikit-learn.")
    return arrays


def archive(arrays: dict[str, NDArray[np.uint8]]) -> bytes:
    """Return arrays as ``np.savez_compressed`` stores them, without the time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            # zipfile records the platform; 3 (Unix) everywhere keeps the bytes the same.
            info.create_system = 3
            target.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


if __name__ == "__main__":
    written = TARGET.write_bytes(archive(source_arrays()))
    print(f"{TARGET.name}: {written} bytes")
