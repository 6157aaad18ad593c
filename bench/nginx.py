"""nginx with a file of ten kilobytes: what a server without any work of its own reaches here."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import PATIENCE, call, free_port

SIZE = 10_000


@contextmanager
def static(processes: int = 2) -> Iterator[int]:
    """The port of an nginx that serves /file."""
    program, port = shutil.which("nginx") or "/usr/sbin/nginx", free_port()
    with tempfile.TemporaryDirectory(prefix="poort-nginx-") as name:
        folder = Path(name)
        (folder / "file").write_bytes(os.urandom(SIZE))
        (folder / "nginx.conf").write_text(_configuration(folder, port, processes))
        process = subprocess.Popen([program, "-p", name, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _configuration(folder: Path, port: int, processes: int) -> str:
    user = "user root;\n" if os.geteuid() == 0 else ""
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"{user}daemon off;\nworker_processes {processes};\npid {folder}/pid;\nerror_log {folder}/log crit;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; sendfile on; {paths}\n"
            f"open_file_cache max=10; keepalive_requests 100000000;\n"
            f"server {{ listen 127.0.0.1:{port} reuseport; root {folder}; }} }}\n")


def _wait(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            if call(port, "GET", "/file").status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > until:
            raise AssertionError("nginx did not come up")
        time.sleep(0.05)
