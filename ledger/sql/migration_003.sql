-- license_types_more --
-- What anyone may see of a type's licenses, and whether it is retired.
ALTER TABLE license_types
    ADD COLUMN public_fields jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN is_retired boolean NOT NULL DEFAULT false;

-- license_type_rules --
-- Decision state: what types ask of their licenses.
CREATE TABLE license_type_rules (
    partition integer NOT NULL,
    type_code text NOT NULL,
    validity_rule text NOT NULL,
    validity_check text NOT NULL,
    number_scope text NOT NULL,
    party_rules jsonb NOT NULL,
    endorsement_cycle text,
    endorsement_grace text NOT NULL,
    endorsement_past_due text NOT NULL,
    holder_end text NOT NULL,
    field_schema text,
    PRIMARY KEY (partition, type_code)
);

-- license_type_rules_grants --
-- As for the other tables of decision state.
GRANT SELECT ON license_type_rules TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON license_type_rules TO ledger_service;

-- organizations_more --
-- Whom organizations succeeded and who succeeded them; which further ones a client serves.
ALTER TABLE organizations
    ADD COLUMN took_over jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN handed_over jsonb NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN acts_for jsonb NOT NULL DEFAULT '[]';
ALTER TABLE licenses ADD COLUMN area_code text;

-- entrustments --
-- Decision state: issuing that one organization entrusted to another.
CREATE TABLE entrustments (
    partition integer NOT NULL,
    pair text NOT NULL,
    grants jsonb NOT NULL,
    PRIMARY KEY (partition, pair)
);
GRANT SELECT ON entrustments TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON entrustments TO ledger_service;
