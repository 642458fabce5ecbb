-- A database of what PostgreSQL 15 has, for a dump to go through. Run by psql as its owner, who is
-- no superuser.
SET client_encoding = 'UTF8';
SET check_function_bodies = on;

CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE SCHEMA search;
CREATE EXTENSION pg_trgm SCHEMA search;
CREATE EXTENSION btree_gist;
CREATE EXTENSION ltree;

-- Types
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', E'new\nline', 'glücklich');
ALTER TYPE mood ADD VALUE 'so so' AFTER 'sad';
CREATE DOMAIN positive AS int DEFAULT 1 NOT NULL CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE DOMAIN even AS positive CHECK (VALUE % 2 = 0);
CREATE DOMAIN address AS citext CHECK (VALUE ~ '@');
CREATE TYPE point3 AS (x float8, y float8, "z ""up""" numeric(12, 3));
CREATE TYPE box3 AS (low point3, high point3);
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = spans);
CREATE COLLATION numbered (provider = icu, locale = 'en-u-kn-true');
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
COMMENT ON COLLATION loose IS 'letters, whatever their case';
COMMENT ON TYPE mood IS E'how it is,\n''quoted'' and \\ back';

-- Functions, operators, aggregates
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN n * 2;
CREATE FUNCTION plus3(a point3, b point3) RETURNS point3 LANGUAGE sql IMMUTABLE
  AS $$ SELECT ROW((a).x + (b).x, (a).y + (b).y, (a)."z ""up""" + (b)."z ""up""")::point3 $$;
CREATE OPERATOR + (LEFTARG = point3, RIGHTARG = point3, FUNCTION = plus3, COMMUTATOR = +);
CREATE FUNCTION longer(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
  AS 'SELECT CASE WHEN length(b) > length(a) THEN b ELSE a END';
CREATE AGGREGATE longest(text) (SFUNC = longer, STYPE = text, INITCOND = '');
CREATE PROCEDURE nothing_happens(INOUT x int, VARIADIC rest text[]) LANGUAGE plpgsql
  AS $body$ BEGIN x := x + coalesce(array_length(rest, 1), 0); END $body$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN NEW.changed := coalesce(NEW.changed, 'now'); RETURN NEW; END $$;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN RAISE EXCEPTION 'a trigger ran while rows were loaded'; END $$;
CREATE FUNCTION flat(p point3) RETURNS box3 LANGUAGE sql IMMUTABLE AS 'SELECT ROW(p, p)::box3';
CREATE CAST (point3 AS box3) WITH FUNCTION flat(point3) AS ASSIGNMENT;

-- A shop: keys that look at each other, generated and identity columns
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY (START 1000 INCREMENT 7) PRIMARY KEY,
  mail address UNIQUE,
  name varchar(80) COLLATE numbered NOT NULL,
  tags hstore DEFAULT 'new=>1',
  feeling mood DEFAULT 'it''s ok',
  age positive,
  doubled int GENERATED ALWAYS AS (twice(age)) STORED,
  places point3[],
  hull box3,
  open spans,
  path ltree,
  document jsonb,
  raw bytea,
  words tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(name, ''))) STORED,
  big text,
  small text COMPRESSION pglz,
  matrix int[][],
  best_friend bigint REFERENCES customers DEFERRABLE INITIALLY DEFERRED,
  changed timestamptz,
  dropped int,
  flags bit varying(12),
  address inet, card macaddr8, cost money, xml_text xml, took interval, took_place tstzrange,
  CHECK (age < 200) NO INHERIT,
  CONSTRAINT "the ""odd"" check" CHECK (name <> ''' OR 1=1 --')
);
ALTER TABLE customers DROP COLUMN dropped;
ALTER TABLE customers ADD COLUMN added numeric DEFAULT 'NaN';
ALTER TABLE customers ALTER COLUMN big SET STORAGE EXTERNAL;
ALTER TABLE customers ALTER COLUMN name SET STATISTICS 500, ALTER COLUMN added SET (n_distinct = 4);
ALTER TABLE customers REPLICA IDENTITY USING INDEX customers_pkey;
CREATE STATISTICS together (dependencies, mcv) ON age, feeling FROM customers;
CREATE INDEX by_trigrams ON customers USING gin (name search.gin_trgm_ops);
CREATE INDEX by_tags ON customers USING gist (tags);
CREATE INDEX by_expression ON customers (lower(name) COLLATE "C" DESC NULLS LAST, (age * 2))
  INCLUDE (feeling) WHERE age > 17;
ALTER INDEX by_expression ALTER COLUMN 2 SET STATISTICS 200;
CREATE INDEX by_day ON customers USING brin (changed) WITH (pages_per_range = 4);
CLUSTER customers USING customers_pkey;
INSERT INTO customers (mail, name, tags, feeling, age, places, hull, open, path, document, raw, big,
    small, matrix, changed, added, flags, address, card, cost, xml_text, took, took_place)
  SELECT 'n' || n || '@example.com', 'Name ' || n, hstore(ARRAY['k', n::text, 'null', NULL]),
         (enum_range(NULL::mood))[1 + n % 5], 1 + n % 150, ARRAY[ROW(n, -n, n / 7.0)::point3, NULL],
         ROW(ROW(0, 0, 0), ROW(n, n, n))::box3, spans(span(0, n), span(n + 1, NULL)),
         text2ltree('a.b' || n), jsonb_build_object('n', n, 'ü"', ARRAY[n, n]),
         decode(repeat(md5(n::text), 3), 'hex'),
         CASE WHEN n % 100 = 0 THEN repeat(md5(n::text), 2000) END,
         E'tab\tline\nback\\slash\r and \\. alone', ARRAY[[n, 1], [NULL, 2]],
         '2026-01-01 00:00+00'::timestamptz + n * interval '17 minutes 3 us',
         CASE n % 4 WHEN 0 THEN 'Infinity' WHEN 1 THEN 'NaN' ELSE n / 3.0 END,
         n::bit(12)::varbit, '10.0.0.0'::inet + n, '08:00:2b:01:02:03:04:05', n::text::money,
         ('<a n="' || n || '">&amp;</a>')::xml, n * interval '1 mon -3 days 00:00:01',
         tstzrange('2026-01-01', NULL, '(]')
    FROM generate_series(1, 2000) n;
INSERT INTO customers OVERRIDING SYSTEM VALUE SELECT 5, NULL, 'self', '', NULL, 1;
UPDATE customers SET best_friend = 1000 + 7 * (id % 50) WHERE id > 100;
CREATE TRIGGER stamps BEFORE INSERT OR UPDATE OF name ON customers FOR EACH ROW
  WHEN (NEW.name <> 'self') EXECUTE FUNCTION stamp();
CREATE TRIGGER refuses BEFORE INSERT ON customers FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION refuse();
ALTER TABLE customers ENABLE ALWAYS TRIGGER stamps;
ALTER TABLE customers DISABLE TRIGGER late;
COMMENT ON TABLE customers IS E'Everybody.\n-- ''nobody''; DROP TABLE customers; \\connect postgres';
COMMENT ON COLUMN customers.hull IS 'über 3 dimensions';
COMMENT ON TRIGGER refuses ON customers IS 'never runs in a load';

-- Row security
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON customers USING (mail = current_user::citext);
CREATE POLICY "adults ""only""" ON customers AS RESTRICTIVE FOR UPDATE USING (age > 17)
  WITH CHECK (age > 17);
CREATE POLICY everybody_reads ON customers FOR SELECT TO PUBLIC USING (true);

-- Partitions: a range of lists of hashes
CREATE TABLE payments (
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  customer bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
  day date NOT NULL,
  country text NOT NULL DEFAULT 'de',
  amount numeric(12, 2) CHECK (amount <> 0),
  cents bigint GENERATED ALWAYS AS (amount * 100) STORED,
  PRIMARY KEY (id, day, country)
) PARTITION BY RANGE (day);
CREATE TABLE payments_2025 PARTITION OF payments FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE payments_2026 PARTITION OF payments FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
  PARTITION BY LIST (country);
CREATE TABLE payments_2026_de PARTITION OF payments_2026 FOR VALUES IN ('de', 'at')
  PARTITION BY HASH (id);
CREATE TABLE payments_2026_de_0 PARTITION OF payments_2026_de FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE payments_2026_de_1 PARTITION OF payments_2026_de FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE "payments 2026 ""others""" PARTITION OF payments_2026 DEFAULT;
CREATE TABLE payments_default (country text NOT NULL, day date NOT NULL, customer bigint NOT NULL,
  amount numeric(12, 2), id bigint NOT NULL,
  cents bigint GENERATED ALWAYS AS (amount * 100) STORED);
ALTER TABLE payments_default ADD CONSTRAINT payments_amount_check CHECK (amount <> 0);
ALTER TABLE payments ATTACH PARTITION payments_default DEFAULT;
CREATE INDEX payments_by_customer ON payments (customer);
CREATE INDEX only_some ON payments_2026_de_0 (amount);
CREATE UNIQUE INDEX lonely ON ONLY payments (day, id, country);
CREATE TABLE by_hash (id uuid DEFAULT gen_random_uuid(), k text) PARTITION BY HASH (id, k);
CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 1, REMAINDER 0);
ALTER TABLE by_hash ADD UNIQUE (id, k);
CREATE TABLE refunds (id bigint, day date, country text,
  FOREIGN KEY (id, day, country) REFERENCES payments (id, day, country) MATCH FULL);
ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_payments ON payments USING (country = 'de');
CREATE TRIGGER on_each AFTER DELETE ON payments FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO payments (customer, day, country, amount)
  SELECT 1000 + 7 * (n % 1000), '2025-12-01'::date + n % 800, (ARRAY['de', 'at', 'fr', 'xx'])[1 + n % 4],
         n + 0.5 FROM generate_series(1, 3000) n;
INSERT INTO by_hash SELECT md5(n::text)::uuid, n FROM generate_series(1, 100) n;
INSERT INTO refunds SELECT id, day, country FROM payments WHERE id % 10 = 0;

-- Inheritance
CREATE TABLE animals (id serial PRIMARY KEY, name text, legs smallint DEFAULT 4 CHECK (legs >= 0));
CREATE TABLE birds (wings int NOT NULL DEFAULT 2) INHERITS (animals);
CREATE TABLE things (colour text, name text);
CREATE TABLE toy_birds (PRIMARY KEY (id)) INHERITS (birds, things);
ALTER TABLE birds ALTER COLUMN legs SET DEFAULT 2;
INSERT INTO animals (name) VALUES ('cat'), ('dog');
INSERT INTO birds (name) SELECT 'bird ' || n FROM generate_series(1, 50) n;
INSERT INTO toy_birds (name, colour) VALUES ('duck', 'yellow');

-- Views, rules, materialized views, and what looks at each other
CREATE VIEW adults WITH (security_barrier, security_invoker) AS
  SELECT id, name, age FROM customers WHERE age > 17 WITH LOCAL CHECK OPTION;
CREATE VIEW "view with ""quotes""" (number, "the ü") AS
  WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3)
  SELECT n, E'é\n'::text FROM r;
CREATE MATERIALIZED VIEW totals AS
  SELECT customer, count(*), sum(amount) AS total FROM payments GROUP BY 1;
CREATE UNIQUE INDEX totals_by_customer ON totals (customer);
CREATE MATERIALIZED VIEW later_totals AS SELECT * FROM totals WITH NO DATA;
CREATE VIEW one_way AS SELECT 1 AS x;
CREATE VIEW other_way AS SELECT x FROM one_way;
CREATE OR REPLACE VIEW one_way AS SELECT x FROM other_way;
CREATE TABLE log (what text, at timestamptz DEFAULT '2026-01-01');
CREATE RULE writes_log AS ON DELETE TO animals DO ALSO INSERT INTO log VALUES (OLD.name);
CREATE RULE instead AS ON INSERT TO adults DO INSTEAD NOTHING;
CREATE RULE "_never" AS ON UPDATE TO log WHERE OLD.what = 'x' DO INSTEAD NOTHING;
ALTER TABLE log DISABLE RULE "_never";
CREATE TRIGGER instead_of INSTEAD OF UPDATE ON "view with ""quotes""" FOR EACH ROW
  EXECUTE FUNCTION refuse();
COMMENT ON VIEW adults IS 'grown up';
COMMENT ON RULE writes_log ON animals IS 'a rule';

-- Exclusion, unlogged, of a type, without columns, with many, sequences
CREATE TABLE rooms (room int, during tstzrange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO rooms SELECT n, tstzrange('2026-01-01', '2026-01-02') FROM generate_series(1, 10) n;
CREATE UNLOGGED TABLE scratch (x int) WITH (fillfactor = 50, autovacuum_enabled = off);
INSERT INTO scratch VALUES (1), (NULL);
CREATE TABLE points OF point3 (x WITH OPTIONS NOT NULL, PRIMARY KEY (x));
INSERT INTO points VALUES (1, 2, 3), ('-0', 'NaN', NULL), ('Infinity', 1e-300, 0.001);
CREATE TABLE no_columns ();
INSERT INTO no_columns SELECT FROM generate_series(1, 5);
CREATE TABLE nulls_alike (a int, UNIQUE NULLS NOT DISTINCT (a));
INSERT INTO nulls_alike VALUES (NULL), (1);
CREATE SEQUENCE alone AS smallint INCREMENT -3 MINVALUE -300 MAXVALUE 30 START 30 CACHE 2 CYCLE;
SELECT nextval('alone'), nextval('alone');
CREATE SEQUENCE untouched OWNED BY log.what;

-- Names
CREATE SCHEMA "odd ""schema""
new";
CREATE TABLE "odd ""schema""
new"."täble, ""x"".y
'z' \ $$ %s" ("col
umn" int, "ünïcödé ☃ 𝄞" text, """" int, " " int, "select" int,
  "a very long name of 63 bytes, which is all that there is for it" int);
INSERT INTO "odd ""schema""
new"."täble, ""x"".y
'z' \ $$ %s" VALUES (1, '☃ 𝄞 \N', 2, 3, 4, 5), (NULL, E'\\.', NULL, NULL, NULL, NULL);
CREATE INDEX "index
of ""x""" ON "odd ""schema""
new"."täble, ""x"".y
'z' \ $$ %s" ("col
umn");
CREATE FUNCTION "odd ""schema""
new"."func; --"("arg ""1""" int DEFAULT 1) RETURNS text LANGUAGE plpgsql
  AS $x$ BEGIN RETURN '$$ ☃
'; END $x$;
CREATE VIEW "odd ""schema""
new"."☃" AS SELECT "ünïcödé ☃ 𝄞" FROM "odd ""schema""
new"."täble, ""x"".y
'z' \ $$ %s";
COMMENT ON SCHEMA "odd ""schema""
new" IS E'a schema\nwith ''all''';
COMMENT ON COLUMN "odd ""schema""
new"."täble, ""x"".y
'z' \ $$ %s"."col
umn" IS '☃';
CREATE TABLE "Customers" (id int);
CREATE TABLE "public.customers" (id int);

-- Text search
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple, stopwords = english, accept = false);
CREATE TEXT SEARCH CONFIGURATION mine (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION mine ALTER MAPPING FOR asciiword WITH plain, simple;

-- Large objects
SELECT lo_from_bytea(4711, decode(repeat('00ff5c0a', 200000), 'hex'));
SELECT lo_from_bytea(4712, '');
COMMENT ON LARGE OBJECT 4711 IS 'large';

-- Privileges
GRANT SELECT (id, name), UPDATE (name) ON customers TO reader WITH GRANT OPTION;
GRANT USAGE ON SCHEMA "odd ""schema""
new" TO PUBLIC;
GRANT EXECUTE ON FUNCTION twice(int) TO reader;
REVOKE EXECUTE ON FUNCTION longer(text, text) FROM PUBLIC;
GRANT SELECT ON LARGE OBJECT 4711, 4712 TO reader;
GRANT USAGE ON TYPE mood TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
