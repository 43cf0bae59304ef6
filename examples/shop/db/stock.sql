-- How many tins stand on the shelf. The last one is nearly gone: buy it twice and see the order refused.
CREATE TABLE IF NOT EXISTS stock (
  sku     VARCHAR(64)  NOT NULL PRIMARY KEY,
  on_hand INT UNSIGNED NOT NULL
);

REPLACE INTO stock (sku, on_hand) VALUES
  ('assam',      40),
  ('hojicha',    25),
  ('jasmine',     8),
  ('rooibos',    60),
  ('sencha',     12),
  ('tieguanyin',  1);
