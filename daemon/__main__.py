"""`python -m daemon`: the command line."""

import signal
import sys

if "run" in sys.argv[1:]:
    # A reload that is asked for while modules are still being read would end the process (trap D3).
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

from daemon.cli import main

if __name__ == "__main__":
    main(prog_name="sellerd")
