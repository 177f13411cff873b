"""The REST interface of the daemon: what the seller brings, decides and asks, under /api/v1 (guide S1 to S3).

It is served on the control socket, which only the daemon's own user may open, and in process by the command line when
no daemon runs. A request that cannot be met is answered with a problem as RFC 9457 has it: title, status, detail.
A module per noun holds its routes as `router`; `app` puts them together.
"""

from daemon.web.api.app import control_app
from daemon.web.api.asking import Control

__all__ = ["Control", "control_app"]
