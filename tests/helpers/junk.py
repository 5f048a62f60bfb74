"""Values that are good for hardly any argument of a public method."""

import numpy as np

# Of no argument a good value, whatever its kind, but for those that GOOD names.
JUNK = {
    "None": None,
    "True": True,
    "a float that is an integer": 1.0,
    "a fraction": 0.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a NumPy NaN": np.float32("nan"),
    "a negative": -1,
    "a huge integer": 10**30,
    "a string": "junk",
    "an empty string": "",
    "a null character": "a\0b",
    "bytes": b"junk",
    "an empty list": [],
    "a list of strings": ["1"],
    "a list of floats": [1.0],
    "ragged lists": [[1], [1, 2]],
    "a dictionary": {},
    "a set": {1},
    "an object": object(),
    "a type": int,
    "a scalar array": np.array(1.5),
    "an empty array": np.zeros([0], np.uint8),
    "floats": np.zeros([2, 3], np.float32),
    "text": np.array(["a", "b"]),
    "objects": np.array([None, {}], object),
    "of rank 7": np.zeros([1] * 7, np.uint8),
    "a complex number": 1j,
}
