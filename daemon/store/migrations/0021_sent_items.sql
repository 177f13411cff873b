-- The catalogue part that an item feed carried, as it was when the feed was opened: what was sent last can be told from
-- what would be sent next. Feeds from before this one, and offer feeds, have none.
ALTER TABLE feed_objects ADD COLUMN item TEXT;
