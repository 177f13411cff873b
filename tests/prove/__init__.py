"""The methods that turn the promises into figures: `make prove` runs them long, `make test` runs them short."""
