"""Why a target is missed: the limit that was found, by the key of what is asked."""

from collections.abc import Mapping

LIMITS: Mapping[str, str] = {}
