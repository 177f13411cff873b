"""Small charts as SVG, drawn here: bars by day, with every figure in words for who cannot see them."""
