"""What the forkserver has done before the first child asks: imports, a count that a confined child cannot make, and hiding.

onnxruntime is left out: it starts a thread when it is imported, which no fork takes along.
"""

from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

import engine.models.catboost_json
import engine.models.lightgbm_text
import engine.models.probe
import engine.models.skops_file
import engine.models.xgboost_ubj  # noqa: F401
from jobs.confinement import hide

_openmp_effective_n_threads()  # has joblib start a program that counts processors, once, and remembers the number
hide()
