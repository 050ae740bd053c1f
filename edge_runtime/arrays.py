"""Names the types of arrays; float32 signals are `edge_runtime.signals.Array`."""

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]  # numbers of simulations
