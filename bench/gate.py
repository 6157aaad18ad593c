"""The gate over HTTP beside a bare Flask hello: `python -m bench.gate`."""

import tempfile
from pathlib import Path

from bench.contest import HELLO, arguments, compete, hello, settings, shop, show
from bench.load import Load, receipts
from tests import servers


def main() -> None:
    """Ask for one tracker, for nginx's yes or no, and for all trackers, with the receipts of 500 visitors in turn."""
    chosen = arguments("Measure the gate.")
    with tempfile.TemporaryDirectory(prefix="poort-bench-") as name:
        folder = Path(name)
        with shop(servers.sqlite(folder), **settings(chosen)) as server, hello(**settings(chosen)) as yardstick:
            shown, granting = receipts(server, "shop", folder), _granting(server, folder)
            show(compete({
                HELLO: Load(yardstick.port, "/"),
                "one tracker, no receipt": Load(server.port, "/v1/sites/shop/gate?tracker=hotjar"),
                "one tracker, receipt": Load(server.port, "/v1/sites/shop/gate?tracker=hotjar", receipts=shown),
                "yes or no, always yes": Load(server.port, "/v1/sites/shop/gate/ga4", receipts=granting),
                "all trackers, receipt": Load(server.port, "/v1/sites/shop/gate", receipts=shown),
            }, chosen))


def _granting(server: servers.Server, folder: Path) -> Path:
    """Receipts that allow everything: wrk counts a 403 as an error."""
    found = [line for line in (folder / "receipts").read_text().split()
             if server.call("GET", "/v1/sites/shop/gate/ga4", headers={"Poort-Receipt": line}).status == 204]
    file = folder / "granting"
    file.write_text("\n".join(found))
    return file


if __name__ == "__main__":
    main()
