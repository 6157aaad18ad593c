"""Traffic of a known mix through real servers: the reports say the truth about it, to the last unit."""

from pathlib import Path

from bench.simulate import Simulation, differences
from tests.servers import Server, sqlite


def test_the_reports_say_the_truth(tmp_path: Path) -> None:
    """Around midnight on the day of 23 hours, in two time zones; retries, bots, GPC, visits, withdrawals among it."""
    simulation = Simulation(visitors=25)
    url = sqlite(tmp_path)
    simulation.drive(Server(url, door="asgi", POORT_PROXIES=1))
    assert differences(simulation, url) == []
    assert len({day for day, _ in simulation.truths["shop"].totals}) == 3
    (day, metric), n = next(iter(simulation.truths["york"].totals.items()))
    simulation.truths["york"].totals[day, metric] = n + 1
    found = differences(simulation, url)
    assert found, "what is one off would be seen"
    assert all(fault.startswith("york") for fault in found)
