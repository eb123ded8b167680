"""The environment with TRL and `datasets` (`.venv-trl`), made when it is not there yet: about a minute and 580 MB.

TRL declares torch and accelerate; what reads and checks data needs neither, so requirements-trl.lock leaves them out.
"""

import hashlib
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Final

from infra.packages import PipFailed, install, packages_in, progress

ROOT: Final = Path(__file__).resolve().parents[3]
LOCK: Final = ROOT / "requirements-trl.lock"
PLACE: Final = ROOT / ".venv-trl"


def python() -> Path:
    """The environment's Python. Fails with what to do when it cannot be made."""
    found, stamp = PLACE / "bin" / "python", PLACE / "installed"
    told = LOCK.read_bytes() + f"{PLACE} {sysconfig.get_python_version()}".encode()
    wanted = hashlib.sha256(told).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return found
    try:
        venv.create(PLACE, with_pip=True, clear=True)
        install(found, ["--require-hashes", "--no-deps", "-r", str(LOCK)], "TRL", packages_in(LOCK), progress)
    except (OSError, PipFailed, subprocess.CalledProcessError) as error:
        said = getattr(error, "said", str(error)).strip()[-500:]
        raise AssertionError(f".venv-trl cannot be made; is the network there? Then run this again.\n{said}") from error
    stamp.write_text(wanted)
    return found
