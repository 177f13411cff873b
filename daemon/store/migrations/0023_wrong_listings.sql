-- How many listings stand how is asked for again and again: what waits and what is wrong is found by an index, the rest
-- counted. It holds few rows at a time, so that a million settled listings cost it nothing.
CREATE INDEX listings_wrong ON listings (account)
  WHERE item_state = 'error' OR stock_state = 'error' OR price_state = 'error' OR end_state = 'error';
