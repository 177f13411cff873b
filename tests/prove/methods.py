"""Every method of `make prove`, in the order in which they run and stand on the page."""

from tests.prove import (
    clocks,
    corpus,
    crashpoints,
    cuts,
    delays,
    hangs,
    health,
    month,
    mutants,
    permutations,
    powercut,
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
    month.METHOD,
    delays.METHOD,
    crashpoints.METHOD,
    powercut.METHOD,
    cuts.METHOD,
    hangs.METHOD,
    corpus.METHOD,
    permutations.METHOD,
    reloads.METHOD,
    stops.METHOD,
    starts.METHOD,
    clocks.METHOD,
    soak.METHOD,
    health.METHOD,
    restores.METHOD,
    mutants.METHOD,
)
