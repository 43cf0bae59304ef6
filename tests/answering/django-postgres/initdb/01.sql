CREATE TABLE seeded (name text);
INSERT INTO seeded VALUES ('first'), ('second');
