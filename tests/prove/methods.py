"""Every method of `make prove`, in the order in which they run and stand on the page."""

from tests.prove import backups, crashpoints, faults, mutants, powercut, simulation
from tests.prove.method import Method

METHODS: tuple[Method, ...] = (
    simulation.METHOD,
    crashpoints.METHOD,
    faults.METHOD,
    powercut.METHOD,
    backups.METHOD,
    mutants.METHOD,
)
