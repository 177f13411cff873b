-- What new orders are written with: their checks without a table for each row (0027 says why, and how this is done), and
-- indexes whose conditions are told by the usual state at the first look.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(sql,
  'state IN (''new'', ''accepted'', ''refused'', ''to_ship'', ''shipped'', ''completed'', ''to_cancel'',
    ''cancelled'', ''refunding'', ''refunded'', ''refund_refused'')',
  'state = ''new'' OR state = ''to_ship'' OR state = ''shipped'' OR state = ''accepted'' OR state = ''completed''
    OR state = ''cancelled'' OR state = ''refused'' OR state = ''to_cancel'' OR state = ''refunding''
    OR state = ''refunded'' OR state = ''refund_refused''')
WHERE type = 'table' AND name = 'order_lines';

UPDATE sqlite_schema SET sql = replace(sql,
  'kind IN (''incomplete'', ''other_content'', ''unknown_listing'')',
  'kind = ''unknown_listing'' OR kind = ''incomplete'' OR kind = ''other_content''')
WHERE type = 'table' AND name = 'order_errors';

UPDATE sqlite_schema SET sql = replace(replace(sql,
  'kind IN (''order'', ''report'', ''update_answer'')',
  'kind = ''order'' OR kind = ''report'' OR kind = ''update_answer'''),
  'state IN (''kept'', ''applied'', ''waiting'', ''set_aside'')',
  'state = ''applied'' OR state = ''kept'' OR state = ''waiting'' OR state = ''set_aside''')
WHERE type = 'table' AND name = 'deliveries';

PRAGMA writable_schema = RESET;

-- Lines that still have something before them, by listing and by order: the words of `open_line` in
-- `store/standings.py`. Those that wait for the seller are found among them, by the state beside the order.
DROP INDEX order_lines_open;
DROP INDEX order_lines_waiting;
DROP INDEX order_lines_unfinished;
CREATE INDEX order_lines_open ON order_lines (listing)
  WHERE (state = 'new' OR state = 'accepted' OR state = 'to_ship' OR state = 'to_cancel' OR state = 'refunding')
  AND listing IS NOT NULL;
CREATE INDEX order_lines_unfinished ON order_lines ("order", state)
  WHERE state = 'new' OR state = 'accepted' OR state = 'to_ship' OR state = 'to_cancel' OR state = 'refunding';

-- An article is named in one way as a rule, and what is empty is looked for by nobody.
DROP INDEX order_lines_unmatched_channel_item_id;
DROP INDEX order_lines_unmatched_ean;
CREATE INDEX order_lines_unmatched_channel_item_id ON order_lines (channel_item_id)
  WHERE listing IS NULL AND channel_item_id <> '';
CREATE INDEX order_lines_unmatched_ean ON order_lines (ean) WHERE listing IS NULL AND ean <> '';

DROP INDEX deliveries_unsettled;
CREATE INDEX deliveries_unsettled ON deliveries (account, kind)
  WHERE state = 'kept' OR state = 'waiting' OR state = 'set_aside';
