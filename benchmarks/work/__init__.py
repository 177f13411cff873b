"""The families of work; each module has `rows`, and is our side when it is run by itself."""
