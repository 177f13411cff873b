-- How large the catalogue is that sells is told by what does not: of a listing that sells, an index of those that do
-- would be written anew with every change of its stock, and this one is not. The condition is written so that no other
-- question implies it: SQLite would take this index for every one about what has ended, and walk over all that has.
CREATE INDEX listings_off_sale ON listings (account, ended, stock)
  WHERE CASE WHEN ended = 1 THEN 1 ELSE ifnull(stock, 0) = 0 END;
DROP INDEX listings_on_sale;
