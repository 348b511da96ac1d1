-- schema --
-- Run by the department that owns the front-end database 前置库.
CREATE SCHEMA front

-- table --
-- What the ledger takes batches of changes from. All values are text, so that a wrong one comes back with a
-- remark instead of failing the department's insert. Further columns of docs/import.md, and `"fields.NAME"`
-- for one field, can be added; columns with values of the department's own are not granted, or skipped.
CREATE TABLE front.licenses (
    sequence bigserial PRIMARY KEY,
    batch varchar(32) NOT NULL,
    batch_rows integer NOT NULL,
    operation text,
    operated_at text,
    source_id text,
    license_type text,
    license_id text,
    number text,
    holder_code_type text,
    holder_code text,
    holder_name text,
    issuer text,
    issued_on text,
    valid_from text,
    valid_to text,
    area_code text,
    fields text,
    change text,
    reason text,
    state varchar(16),
    error_remark varchar(512),
    handled_at timestamptz
)

-- rows_of_batches --
-- By this a batch is read in its order.
CREATE INDEX licenses_batch ON front.licenses ((batch::text), sequence)

-- rows_without_answer --
-- By this the ledger finds what is new; small, since answered rows leave it.
CREATE INDEX licenses_open ON front.licenses ((batch::text)) WHERE state IS NULL OR state = 'waiting'

-- role --
-- The ledger's login; its password goes into the file of the connection.
CREATE ROLE license_ledger LOGIN

-- may_enter --
-- Nothing else of the schema.
GRANT USAGE ON SCHEMA front TO license_ledger

-- may_read --
-- All columns, or a list of those that the ledger is to have.
GRANT SELECT ON front.licenses TO license_ledger

-- may_answer --
-- The three columns of the answer.
GRANT UPDATE (state, error_remark, handled_at) ON front.licenses TO license_ledger
