"""Every method of `make prove`, in the order in which they run and stand on the page."""

from tests.prove import (
    clocks,
    crashpoints,
    health,
    month,
    mutants,
    reloads,
    restores,
    simulation,
    soak,
    starts,
    stops,
)
from tests.prove.method import Method

METHODS: tuple[Method, ...] = (
    simulation.METHOD,
    crashpoints.METHOD,
    reloads.METHOD,
    stops.METHOD,
    starts.METHOD,
    clocks.METHOD,
    month.METHOD,
    soak.METHOD,
    health.METHOD,
    restores.METHOD,
    mutants.METHOD,
)
