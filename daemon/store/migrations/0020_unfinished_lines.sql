-- Lines that still have something before them: how far back orders are asked for (L12), without a walk through all
-- orders that ever were.
CREATE INDEX order_lines_unfinished ON order_lines ("order")
  WHERE state IN ('new', 'accepted', 'to_ship', 'to_cancel', 'refunding');
