"""How the command line fails: one sentence for the person, one exit code for the script."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EPIPE

import click

#: everything was done
FINE = 0
#: something was refused: bad rows, a move that is not legal now, something that is not there
REFUSED = 1
#: the command itself is wrong
USAGE = 2
#: the daemon or the marketplace cannot be reached
UNREACHABLE = 69
#: a file or folder cannot be read or written
FILE = 74
#: the database cannot be used: another process has it, or it is not there
IN_USE = 75
#: config.toml is wrong
CONFIG = 78
#: Ctrl-C came before it was done (128 and the number of the signal, as shells have it)
INTERRUPTED = 130

EXIT_CODES = """\b
Exit codes:
   0  fine
   1  something was refused: bad rows, a move that is not legal now, no such thing
   2  the command is wrong
  69  the daemon or the marketplace cannot be reached
  70  the database or its disk failed while the daemon ran
  74  a file or folder cannot be read or written
  75  the database cannot be used: another process has it, or it is not there
  78  the configuration is wrong
 130  Ctrl-C came before it was done"""


class Failure(click.ClickException):
    """What went wrong and what to do, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        # click has it as a constant of the class, and asks the instance.
        vars(self)["exit_code"] = exit_code


@contextmanager
def told() -> Iterator[None]:
    """Tell errors that sellerd raises on purpose to the person, not as a traceback."""
    from daemon.errors import ConfigError, DaemonError, NotAllowed, StoreError, Unreadable

    try:
        yield
    except ConfigError as error:
        raise Failure(
            "the configuration is wrong:\n" + "\n".join(f"  {it}" for it in error.problems), CONFIG
        ) from error
    except StoreError as error:
        raise Failure(str(error), IN_USE) from error
    except (NotAllowed, Unreadable) as error:
        raise Failure(str(error), REFUSED) from error
    except DaemonError as error:
        raise Failure(str(error), UNREACHABLE) from error
    except OSError as error:
        if error.errno == EPIPE:
            raise  # Whoever read our output has read enough, which click knows how to bear.
        where = f"{error.filename}: " if error.filename is not None else ""
        raise Failure(f"{where}{error.strerror or error}", FILE) from error
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":
            raise
        # Python keeps such bytes of a word in characters of their own, which neither the database nor a URL can have.
        raise Failure("a word of the command is not UTF-8 text; let the terminal write UTF-8", USAGE) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
