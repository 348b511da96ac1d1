-- closed_months --
-- Decision state: months whose bulletin stands, and by which fact.
CREATE TABLE closed_months (
    partition integer NOT NULL,
    month bigint NOT NULL,
    edition bigint NOT NULL,
    closed_index bigint NOT NULL,
    PRIMARY KEY (partition, month)
);
GRANT SELECT ON closed_months TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON closed_months TO ledger_service
