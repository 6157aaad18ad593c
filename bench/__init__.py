"""The figures of the README, one command each: `python -m bench.gate`, `bench.record`, `bench.script`, `bench.size`."""
