CREATE TABLE orders (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sku        text NOT NULL,
  name       text NOT NULL,                          -- as it was called on the day of the order
  quantity   integer NOT NULL CHECK (quantity > 0),
  total      integer NOT NULL,                       -- cents
  created_at timestamptz NOT NULL DEFAULT now()
);
