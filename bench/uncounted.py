"""Poort at its ASGI door, for bench.counting alone: records are counted in the way that BENCH_COUNTS names."""

from bench.counting import chosen_way, counting

_counting = counting(chosen_way())
_counting.__enter__()  # as long as the process lives

from asgi import app  # noqa: E402  # only now

__all__ = ["app"]
