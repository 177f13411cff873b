-- The first schema. Times are UTC microseconds; money is integer minor units; every state is checked.

CREATE TABLE heartbeat (one INTEGER PRIMARY KEY CHECK (one = 1), beats INTEGER NOT NULL) STRICT;
INSERT INTO heartbeat VALUES (1, 0);

-- What was configured when the daemon last looked. `fingerprint` stands for the whole configuration of the account,
-- secrets included: when it changes, a held account is tried again (D10). `last_stamp` makes names unique for ever.
CREATE TABLE accounts (
  name TEXT PRIMARY KEY,
  marketplace TEXT NOT NULL,
  fingerprint TEXT NOT NULL DEFAULT '',
  held_at INTEGER,
  held_reason TEXT NOT NULL DEFAULT '',
  last_stamp INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The bytes of everything sent and received (D7): content-addressed once complete, compressed, in chunks so that a
-- large one is streamed. A payload without sha256 is still being written.
CREATE TABLE payloads (
  id INTEGER PRIMARY KEY,
  sha256 TEXT UNIQUE,
  size INTEGER NOT NULL DEFAULT 0,
  kept_at INTEGER NOT NULL
) STRICT;

CREATE TABLE payload_chunks (
  payload INTEGER NOT NULL REFERENCES payloads (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  deflated BLOB NOT NULL,
  PRIMARY KEY (payload, position)
) STRICT;

CREATE TABLE listings (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  sku TEXT NOT NULL,
  ean TEXT NOT NULL DEFAULT '',
  channel_item_id TEXT NOT NULL DEFAULT '',
  channel_status TEXT NOT NULL DEFAULT 'absent'
    CHECK (channel_status IN ('absent', 'product_integrated', 'offer_integrated')),
  item TEXT NOT NULL DEFAULT '{}',
  stock INTEGER CHECK (stock >= 0),
  price_minor INTEGER CHECK (price_minor >= 0),
  rrp_minor INTEGER CHECK (rrp_minor >= 0),
  ended INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
  handling_days INTEGER CHECK (handling_days >= 0),
  item_state TEXT NOT NULL DEFAULT 'not_needed' CHECK (item_state IN ('not_needed', 'pending', 'sent', 'error')),
  item_error TEXT NOT NULL DEFAULT '',
  item_revision INTEGER NOT NULL DEFAULT 0,
  stock_state TEXT NOT NULL DEFAULT 'not_needed' CHECK (stock_state IN ('not_needed', 'pending', 'sent', 'error')),
  stock_error TEXT NOT NULL DEFAULT '',
  stock_revision INTEGER NOT NULL DEFAULT 0,
  price_state TEXT NOT NULL DEFAULT 'not_needed' CHECK (price_state IN ('not_needed', 'pending', 'sent', 'error')),
  price_error TEXT NOT NULL DEFAULT '',
  price_revision INTEGER NOT NULL DEFAULT 0,
  end_state TEXT NOT NULL DEFAULT 'not_needed' CHECK (end_state IN ('not_needed', 'pending', 'sent', 'error')),
  end_error TEXT NOT NULL DEFAULT '',
  end_revision INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  UNIQUE (account, sku)
) STRICT;

CREATE INDEX listings_item_due ON listings (account) WHERE item_state = 'pending';
CREATE INDEX listings_offer_due ON listings (account)
  WHERE stock_state = 'pending' OR price_state = 'pending' OR end_state = 'pending';
CREATE INDEX listings_by_ean ON listings (account, ean) WHERE ean <> '';
CREATE INDEX listings_by_channel_item_id ON listings (account, channel_item_id) WHERE channel_item_id <> '';

CREATE TABLE feeds (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL CHECK (kind IN ('item', 'offer')),
  state TEXT NOT NULL
    CHECK (state IN ('sending', 'sent', 'in_doubt', 'answered', 'refused', 'withdrawn', 'lapsed')),
  name TEXT NOT NULL DEFAULT '',
  remote_ref TEXT NOT NULL DEFAULT '',
  size INTEGER NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0,
  rejected INTEGER NOT NULL DEFAULT 0,
  payload INTEGER REFERENCES payloads (id),
  error TEXT NOT NULL DEFAULT '',
  opened_at INTEGER NOT NULL,
  spooled_at INTEGER,
  sent_at INTEGER,
  closed_at INTEGER
) STRICT;

CREATE UNIQUE INDEX feeds_by_name ON feeds (account, name) WHERE name <> '';
CREATE INDEX feeds_by_remote_ref ON feeds (account, remote_ref) WHERE remote_ref <> '';
CREATE INDEX feeds_open ON feeds (account, kind) WHERE state IN ('sending', 'sent', 'in_doubt');
CREATE INDEX feeds_by_opening ON feeds (account, opened_at);
CREATE INDEX feeds_by_payload ON feeds (payload, account);

-- One listing as one feed carried it. A revision that is not null names a part that the answer settles (house law 4).
CREATE TABLE feed_objects (
  feed INTEGER NOT NULL REFERENCES feeds (id) ON DELETE CASCADE,
  listing INTEGER NOT NULL REFERENCES listings (id),
  ean TEXT NOT NULL,
  channel_item_id TEXT NOT NULL,
  item_revision INTEGER,
  stock_revision INTEGER,
  price_revision INTEGER,
  end_revision INTEGER,
  stock INTEGER,
  price_minor INTEGER,
  rrp_minor INTEGER,
  ended INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'accepted', 'rejected', 'lapsed', 'withdrawn')),
  code TEXT NOT NULL DEFAULT '',
  text TEXT NOT NULL DEFAULT '',
  answered_at INTEGER,
  PRIMARY KEY (feed, listing)
) STRICT;

CREATE INDEX feed_objects_by_listing ON feed_objects (listing, feed);
CREATE INDEX feed_objects_by_ean ON feed_objects (feed, ean) WHERE ean <> '';
CREATE INDEX feed_objects_by_channel_item_id ON feed_objects (feed, channel_item_id) WHERE channel_item_id <> '';

-- When the next feed of a kind may start (L8): by the kernel's boot-time clock while the boot is the same; across a
-- boot by the wall clock, only if the kernel called it synchronised then and calls it so now.
CREATE TABLE gates (
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL CHECK (kind IN ('item', 'offer')),
  boot_id TEXT NOT NULL,
  opens_boot_ns INTEGER NOT NULL,
  opens_at INTEGER NOT NULL,
  synchronised INTEGER NOT NULL CHECK (synchronised IN (0, 1)),
  feed INTEGER REFERENCES feeds (id),
  PRIMARY KEY (account, kind)
) STRICT;

-- Every file and reply that came in (D9). The same name with the same content is one row.
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL CHECK (kind IN ('order', 'report', 'update_answer')),
  folder TEXT NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  modified_at INTEGER,
  payload INTEGER NOT NULL REFERENCES payloads (id),
  state TEXT NOT NULL CHECK (state IN ('kept', 'applied', 'waiting', 'set_aside')),
  reason TEXT NOT NULL DEFAULT '',
  received_at INTEGER NOT NULL,
  confirmed_at INTEGER,
  UNIQUE (account, folder, name, payload)
) STRICT;

CREATE INDEX deliveries_unconfirmed ON deliveries (account) WHERE confirmed_at IS NULL AND state = 'applied';
CREATE INDEX deliveries_by_payload ON deliveries (payload, account);
CREATE INDEX deliveries_unsettled ON deliveries (account, kind) WHERE state IN ('kept', 'waiting', 'set_aside');

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  number TEXT NOT NULL,
  ordered_at INTEGER,
  received_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  incomplete TEXT NOT NULL DEFAULT '',
  test INTEGER NOT NULL DEFAULT 0 CHECK (test IN (0, 1)),
  shipping_method TEXT NOT NULL DEFAULT '',
  payment_method TEXT NOT NULL DEFAULT '',
  extra TEXT NOT NULL DEFAULT '{}',
  delivery INTEGER REFERENCES deliveries (id),
  UNIQUE (account, number)
) STRICT;

CREATE INDEX orders_by_change ON orders (account, changed_at);

-- Personal data stands apart, so that it can be erased while the figures stay (D12).
CREATE TABLE customers (
  "order" INTEGER PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
  shipping TEXT NOT NULL,
  billing TEXT
) STRICT;

-- `since` is when the line came into its state as far as we know: its order's own time for the first one seen.
CREATE TABLE order_lines (
  id INTEGER PRIMARY KEY,
  "order" INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  ref TEXT NOT NULL,
  position INTEGER NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  shipped INTEGER NOT NULL DEFAULT 0 CHECK (shipped >= 0),
  cancelled INTEGER NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
  refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded >= 0),
  state TEXT NOT NULL CHECK (state IN ('new', 'accepted', 'refused', 'to_ship', 'shipped', 'completed', 'to_cancel',
    'cancelled', 'refunding', 'refunded', 'refund_refused')),
  since INTEGER NOT NULL,
  ean TEXT NOT NULL DEFAULT '',
  channel_item_id TEXT NOT NULL DEFAULT '',
  listing INTEGER REFERENCES listings (id),
  title TEXT NOT NULL DEFAULT '',
  price_minor INTEGER,
  currency TEXT NOT NULL DEFAULT '',
  extra TEXT NOT NULL DEFAULT '{}',
  UNIQUE ("order", ref),
  CHECK (shipped + cancelled <= quantity),
  CHECK (refunded + cancelled <= quantity)
) STRICT;


-- `cancels` marks what a request to cancel or refund became (L14); `settles_to` is what its lines become when it has
-- succeeded, where that is not what the marketplace says of them by itself.
CREATE TABLE order_updates (
  id INTEGER PRIMARY KEY,
  "order" INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL
    CHECK (kind IN ('acknowledgement', 'acceptance', 'refusal', 'dispatch', 'cancellation', 'refund')),
  cancels INTEGER NOT NULL DEFAULT 0 CHECK (cancels IN (0, 1)),
  settles_to TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'in_doubt', 'succeeded', 'failed')),
  name TEXT NOT NULL DEFAULT '',
  parcel TEXT,
  payload INTEGER REFERENCES payloads (id),
  error TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  sent_at INTEGER,
  settled_at INTEGER,
  UNIQUE (account, created_at)
) STRICT;

-- One open update per order (L18, J11): the index is the lock.
CREATE UNIQUE INDEX one_open_update ON order_updates ("order") WHERE state IN ('sending', 'sent', 'in_doubt');
CREATE INDEX updates_unsettled ON order_updates (account, created_at)
  WHERE state IN ('pending', 'sending', 'sent', 'in_doubt');
CREATE INDEX updates_by_name ON order_updates (account, name) WHERE name <> '';
CREATE INDEX updates_by_order ON order_updates ("order");
CREATE INDEX updates_by_payload ON order_updates (payload, account);

CREATE TABLE update_lines (
  "update" INTEGER NOT NULL REFERENCES order_updates (id) ON DELETE CASCADE,
  line INTEGER NOT NULL REFERENCES order_lines (id),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  reason TEXT NOT NULL DEFAULT '',
  out_of_stock INTEGER NOT NULL DEFAULT 0 CHECK (out_of_stock IN (0, 1)),
  from_state TEXT NOT NULL DEFAULT '',
  PRIMARY KEY ("update", line)
) STRICT;

CREATE INDEX update_lines_by_line ON update_lines (line);

-- What happened to whom (D8): one timeline per listing, feed, order and account.
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  account TEXT NOT NULL,
  subject TEXT NOT NULL CHECK (subject IN ('listing', 'feed', 'order', 'account')),
  subject_id INTEGER NOT NULL,
  what TEXT NOT NULL,
  "from" TEXT NOT NULL DEFAULT '',
  "to" TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX events_by_subject ON events (subject, subject_id);

-- How each job of each account stands: due times survive restarts here, and failing is told once (D11).
CREATE TABLE jobs (
  account TEXT NOT NULL REFERENCES accounts (name),
  job TEXT NOT NULL,
  last_started_at INTEGER,
  last_ended_at INTEGER,
  last_succeeded_at INTEGER,
  failing_since INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  held_until INTEGER,
  PRIMARY KEY (account, job)
) STRICT;

CREATE TABLE job_runs (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  job TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'done', 'idle', 'held', 'failed', 'cut')),
  done INTEGER NOT NULL DEFAULT 0,
  note TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX job_runs_by_start ON job_runs (account, job, started_at);
