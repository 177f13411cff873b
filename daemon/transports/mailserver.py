"""A mail server as it is configured, apart from what speaks to one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Security = Literal["tls", "starttls", "none"]


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in: `tls` from the first byte, `starttls` before anything is said, `none` unprotected."""

    host: str
    port: int
    security: Security = "starttls"
    user: str = ""
    password: str = ""
    authority: Path | None = None
    timeout: float = 30
