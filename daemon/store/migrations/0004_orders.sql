-- Orders that wait for the seller, and by when he should act on them.

-- The deadlines of an account, in microseconds, for whoever reads without its configuration; 0 is none.
ALTER TABLE accounts ADD COLUMN accept_within INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN ship_within INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN warn_before INTEGER NOT NULL DEFAULT 0;

CREATE INDEX order_lines_waiting ON order_lines ("order") WHERE state IN ('new', 'to_ship');
