CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL
);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers,
  status text NOT NULL DEFAULT 'new',
  amount numeric(10, 2) NOT NULL,
  placed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO customers (name) VALUES ('Ada'), ('Grace'), ('Edsger');
INSERT INTO orders (customer_id, amount) VALUES (1, 19.90), (2, 5.00), (1, 250.00);
