"""The banner script with a site baked in, in brotli, beside a bare Flask hello: `python -m bench.script`."""

import tempfile
from pathlib import Path

from bench.contest import HELLO, arguments, compete, hello, settings, shop, show
from bench.load import Load
from tests import servers


def main() -> None:
    """Ask for the script and for the config."""
    chosen = arguments("Measure the script.")
    with (
        tempfile.TemporaryDirectory(prefix="poort-bench-") as folder,
        shop(servers.sqlite(Path(folder)), **settings(chosen)) as server,
        hello(**settings(chosen)) as yardstick,
    ):
        show(compete({
            HELLO: Load(yardstick.port, "/"),
            "script with the site": Load(server.port, "/banner/shop.js"),
            "script without a site": Load(server.port, "/banner/v1/poort.js"),
            "config": Load(server.port, "/v1/sites/shop/config?lang=nl"),
        }, chosen))


if __name__ == "__main__":
    main()
