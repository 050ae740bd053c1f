"""Named arrays of an .npz file, or one line that says what is wrong with it."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError

Arrays = dict[str, npt.NDArray[np.generic]]


def load_arrays(path: Path) -> Arrays:
    """All arrays of the file.

    Raises:
        UserError: it is not there, truncated, damaged, or no .npz.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise UserError(f"'{path}' holds one array alone; a log has several, as .npz")
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise UserError(f"there is no '{path}'") from None
    except IsADirectoryError:
        raise UserError(f"'{path}' is a folder; name one log in it") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"'{path}' is truncated, damaged or no .npz: {error}") from None
