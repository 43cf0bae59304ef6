ALTER TABLE orders ADD COLUMN invoice text;           -- object in the bucket; empty until the invoice is written
