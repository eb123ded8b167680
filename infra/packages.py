"""Runs pip into a virtual environment and tells a person how far it is.

Uses nothing but Python's own library: scripts/environment.py needs it before anything is installed.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

SHOWN_LINES = 20  # of pip's last words, when it fails
_NAMED = re.compile(r"\s*(?:Collecting|Obtaining|Requirement already satisfied:?)\s+([^\s=<>;\[]+)")  # of pip's lines
_IN_LOCK = re.compile(r"[a-zA-Z0-9].*==")

Told = Callable[[str, bool], None]  # a line of progress, and whether it is the last of its kind


class PipFailed(Exception):
    """pip ended with an error; `said` holds its last lines."""

    def __init__(self, status: int, said: str) -> None:
        self.status = status
        self.said = said
        super().__init__(f"pip ended with exit status {status}")


def packages_in(lock: Path) -> int:
    """How many packages a lock names for any system: at least as many as are installed on this one."""
    return sum(bool(_IN_LOCK.match(line)) and " ; " not in line for line in lock.read_text().splitlines())


def install(python: Path, arguments: list[str], what: str, total: int, tell: Told) -> None:
    """Run `pip install` with this interpreter. Raises PipFailed."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *arguments]
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert pip.stdout is not None  # it is a pipe
    said = list(_followed(pip.stdout, what, total, tell))
    if pip.wait() != 0:
        raise PipFailed(pip.returncode, "".join(said[-SHOWN_LINES:]))


def _followed(lines: Iterable[str], what: str, total: int, tell: Told) -> Iterator[str]:
    """pip's lines as they come, with a line of progress for the person."""
    seen = 0
    for line in lines:
        yield line
        if found := _NAMED.match(line):
            seen += 1
            tell(f"installing {what}: {min(seen, total)} of about {total}  {found[1][:40]}", False)
        elif line.startswith("Installing collected packages"):
            tell(f"installing {what}: unpacking …", False)
    tell(f"installing {what}: done", True)


def progress(text: str, last: bool) -> None:
    """One line that is written over on a terminal, and now and then a line elsewhere."""
    if sys.stderr.isatty():
        say(f"\r{text[:100]:<100}" + ("\n" if last else ""))
    elif last or "unpacking" in text or re.search(r": \d*[05]0 of", text):
        say(f"{text}\n")


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
