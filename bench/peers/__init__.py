"""Other consent platforms, measured beside Poort on the same machine in the same run: `python -m bench.peers`."""
