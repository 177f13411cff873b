-- Proof that a customer's data was erased on request (D12): of which order, when, why, and how much; nothing of whom.
-- `repeated_at` is when it was last looked whether the marketplace had handed the same out again.
CREATE TABLE erasures (
  id INTEGER PRIMARY KEY,
  "order" INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  account TEXT NOT NULL,
  at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  payloads INTEGER NOT NULL,
  repeated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX erasures_by_order ON erasures ("order");
