"""What an imported row can do to what is kept."""

from enum import StrEnum


class Change(StrEnum):
    """What one imported row did. UNKNOWN: the account has no such SKU. IMMUTABLE: it would change what cannot (L4).

    OVERLAPS: another promotion of the SKU is in its way (L11). TAKEN: another listing has its article number (J2).
    """

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
    IMMUTABLE = "immutable"
    OVERLAPS = "overlaps"
    TAKEN = "taken"
