"""sellerd: one daemon that keeps a seller's listings, stock, prices and orders in step with marketplaces."""

__version__ = "0.1.0"
