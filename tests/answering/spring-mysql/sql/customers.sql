SET NAMES utf8mb4;
CREATE TABLE customers (name VARCHAR(40));
INSERT INTO customers VALUES ('Ada'), ('Zoë');
