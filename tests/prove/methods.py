"""Every method of `make prove`, in the order in which they run and stand on the page."""

from tests.prove import corpus, crashpoints, delays, mutants, permutations, simulation
from tests.prove.method import Method

METHODS: tuple[Method, ...] = (
    simulation.METHOD,
    delays.METHOD,
    permutations.METHOD,
    corpus.METHOD,
    crashpoints.METHOD,
    mutants.METHOD,
)
