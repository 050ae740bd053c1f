"""Gets the master key of a store: from a file, or as a credential of systemd's."""

import os
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.keys.key_file import check_private, read_key

_FOLDER = "CREDENTIALS_DIRECTORY"  # where systemd puts a service's credentials, in memory
_KIND, _COMMAND = "an experience store", "sim2edge experience new"


def master_key(path: Path | None = None, credential: str = "") -> bytes:
    """Reads the master key, 32 bytes, from where it is said to be.

    A key that a TPM has sealed comes as a credential too: `systemd-creds encrypt --with-key=tpm2`
    seals it, and LoadCredentialEncrypted= of the service opens it before the service starts.

    Args:
        path: its file, which nobody else may read.
        credential: name of a credential of the service that this process runs in.

    Raises:
        UserError: none or both are given, it cannot be read, it is no key, or others may read it.
    """
    if path is not None and credential:
        raise UserError("the key is given twice; leave out --key or --credential")
    if path is not None:
        check_private(path)
        return read_key(path, _KIND, _COMMAND)
    if not credential:
        raise UserError(f"the key is missing; give --key or --credential ('{_COMMAND}' makes one)")
    folder = os.environ.get(_FOLDER, "")
    if not folder:
        raise UserError(
            f"there is no credential '{credential}': {_FOLDER} is not set; start this as a service "
            "of systemd, or give --key"
        )
    if Path(credential).name != credential:
        raise UserError(f"'{credential}' is no name of a credential; it has no path")
    # Only the service sees that folder, and the modes there show its access list.
    return read_key(Path(folder) / credential, _KIND, _COMMAND)
