"""What is known of La Redoute's errors: the catalogue that is shipped, and one of the account's own (guide L17)."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo

from daemon.rules.catalogue import Catalogue, load_catalogue, read_catalogue


@cache
def shipped() -> Catalogue:
    """What comes with sellerd; the real list of La Redoute is not public (A9, 2)."""
    return read_catalogue(files(__package__).joinpath("catalogue.toml").read_text("utf-8"))


def _own(value: object, info: ValidationInfo) -> Catalogue:
    if isinstance(value, Catalogue):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError('write the path of a file, such as "errors.toml", or leave it out')
    return load_catalogue((info.context or {}).get("folder", Path()) / value)


#: the path of a file, read with the configuration: what is wrong in it is a configuration problem (D3)
OwnCatalogue = Annotated[Catalogue, PlainValidator(_own)]
