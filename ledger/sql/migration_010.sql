-- cases --
-- Decision state: cases of organizations, from opening to closing.
CREATE TABLE cases (
    partition integer NOT NULL,
    case_key bytea NOT NULL,
    organization text NOT NULL,
    case_number text NOT NULL,
    spans jsonb NOT NULL,
    PRIMARY KEY (partition, case_key)
);
GRANT SELECT ON cases TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON cases TO ledger_service;
