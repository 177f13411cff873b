-- How large the catalogue is that sells is told by what does not: of a listing that sells, an index of those that do
-- would be written anew with every change of its stock, and this one is not.
CREATE INDEX listings_off_sale ON listings (account) WHERE stock IS NULL OR stock = 0 OR ended = 1;
DROP INDEX listings_on_sale;
