-- households --
-- Decision state: households by reference, with the history of their pages, heads and seats.
CREATE TABLE households (
    partition integer NOT NULL,
    household_ref bytea NOT NULL,
    type_code text NOT NULL,
    first_type text NOT NULL,
    pages jsonb NOT NULL,
    heads jsonb NOT NULL,
    seats jsonb NOT NULL,
    PRIMARY KEY (partition, household_ref)
);
GRANT SELECT ON households TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON households TO ledger_service;

-- household_places --
-- Decision state: in which household a page, or a person by their stream, is.
CREATE TABLE household_places (
    partition integer NOT NULL,
    place_key bytea NOT NULL,
    household_ref bytea,
    free_from bigint,
    former jsonb NOT NULL,
    PRIMARY KEY (partition, place_key)
);
GRANT SELECT ON household_places TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON household_places TO ledger_service;

-- license_type_rules_household --
-- Decision state: whether licenses of a type may be pages of a household booklet.
ALTER TABLE license_type_rules ADD COLUMN is_household_page boolean NOT NULL DEFAULT false
