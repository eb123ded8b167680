"""A real Chromium for the tests: $CHROME, one on the PATH, or Debian's own package in a cache of this user's.

Debian's is fetched by apt and unpacked by dpkg-deb beside the system, with those libraries that the system lacks:
no root is needed and nothing is installed. `python -m tests.browser.chromium` says which one it is.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ON_PATH: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES: Final = ("chromium", "chromium-common", "fonts-dejavu-core")
FETCH_WITHIN_S: Final = 500  # some 150 MB
WHAT_TO_DO: Final = "install Chromium or Chrome, or name one: CHROME=/path/to/chrome"
FONTS: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir><dir>{root}/usr/share/fonts</dir><cachedir>{root}/fonts-cache</cachedir>
  <alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <match><edit name="family" mode="append_last"><string>DejaVu Sans</string></edit></match>
</fontconfig>
"""


class NoBrowser(Exception):
    """There is no Chromium, and none can be had. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Browser:
    """What to start, and with which variables besides the usual ones."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def chromium() -> Browser:
    """The browser to test with. Raises NoBrowser."""
    if named := os.environ.get("CHROME"):
        if not os.access(named, os.X_OK):
            raise NoBrowser(f"CHROME names {named!r}, which is no program; {WHAT_TO_DO}")
        return Browser(Path(named))
    for name in ON_PATH:
        if found := shutil.which(name):
            return Browser(Path(found))
    return _unpacked()


def _unpacked() -> Browser:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parley" / "chromium"
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / "root"
    with _alone(cache):
        if not root.exists():
            _fetch(cache)
    browser = Browser(root / "usr/lib/chromium/chromium", _environment(root))
    try:
        _run([str(browser.path), "--version"], browser.environment)
    except NoBrowser as error:
        raise NoBrowser(f"the Chromium that was unpacked to {root} does not start ({error}); {WHAT_TO_DO}") from None
    return browser


def _fetch(cache: Path) -> None:
    """Debian's package to `cache`/root; whole or not at all."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise NoBrowser(f"no Chromium on the PATH, and no {missing[0]} to fetch Debian's with; {WHAT_TO_DO}")
    lists, downloads, unpacking = cache / "lists", cache / "downloads", cache / "unpacking"
    for folder in (lists / "partial", downloads / "archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    ours = [
        *("-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={downloads}"),
        *("-o", "Debug::NoLocking=true", "-o", "APT::Sandbox::User="),  # root, too, fetches to this folder as itself
        *("-o", "Acquire::Retries=2", "--quiet=2"),
    ]
    install = ["install", "--download-only", "--reinstall", "--yes", "--no-install-recommends", *PACKAGES]
    try:
        _run(["apt-get", *ours, "update"])
        _run(["apt-get", *ours, *install])
        shutil.rmtree(unpacking, ignore_errors=True)
        for package in sorted((downloads / "archives").glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(unpacking)])
    except NoBrowser as error:
        raise NoBrowser(f"no Chromium on the PATH, and Debian's cannot be fetched ({error}); {WHAT_TO_DO}") from None
    (unpacking / "fonts.conf").write_text(FONTS.format(root=cache / "root"), encoding="utf-8")
    unpacking.rename(cache / "root")
    shutil.rmtree(downloads)
    shutil.rmtree(lists)


def _environment(root: Path) -> dict[str, str]:
    places = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    folders = [folder for place in places for folder in (place, *place.iterdir()) if _holds_libraries(folder)]
    known = os.environ.get("LD_LIBRARY_PATH")
    return {
        "LD_LIBRARY_PATH": ":".join([*map(str, folders), *([known] if known else [])]),
        "FONTCONFIG_FILE": str(root / "fonts.conf"),
    }


def _holds_libraries(folder: Path) -> bool:
    return folder.is_dir() and next(folder.glob("lib*.so*"), None) is not None


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Nobody else fetches to this cache meanwhile."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    """What a command prints. Raises NoBrowser with the last thing that it complained of."""
    env = {**os.environ, **(environment or {}), "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=FETCH_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBrowser(str(error)) from None
    if done.returncode != 0:
        told = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise NoBrowser(f"{Path(command[0]).name}: {told[-1]}")
    return done.stdout.strip()


if __name__ == "__main__":
    found = chromium()
    print(f"{found.path}: {_run([str(found.path), '--version', '--no-sandbox'], found.environment)}")
