-- representations --
-- Decision state: who represents the holders of licenses, and which consents rest on their word.
CREATE TABLE representations (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    representatives jsonb NOT NULL,
    rooted jsonb NOT NULL,
    PRIMARY KEY (partition, license_ref)
);
GRANT SELECT ON representations TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON representations TO ledger_service;
