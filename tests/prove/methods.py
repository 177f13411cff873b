"""Every method of `make prove`, in the order in which they run and stand on the page."""

from tests.prove import crashpoints, cuts, hangs, hostile, mutants, simulation, strangers
from tests.prove.method import Method

METHODS: tuple[Method, ...] = (
    simulation.METHOD,
    crashpoints.METHOD,
    cuts.METHOD,
    hangs.METHOD,
    strangers.METHOD,
    hostile.METHOD,
    mutants.METHOD,
)
