"""The seller's side: tables that come in and go out."""
