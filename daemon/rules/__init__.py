"""The pure rules of the trade: no I/O, no clock, no configuration."""
