-- number_filing --
-- How far the history was gone through to file licenses of before under their printed numbers.
CREATE TABLE number_filing (
    partition integer PRIMARY KEY,
    through bigint NOT NULL,
    is_done boolean NOT NULL
);
INSERT INTO number_filing SELECT partition, 0, NOT EXISTS (SELECT FROM events) FROM partitions;
DELETE FROM directory WHERE kind = 'number';

-- number_filing_grants --
-- Whoever has the keys files them.
GRANT SELECT ON number_filing TO ledger_service, ledger_reader;
GRANT UPDATE ON number_filing TO ledger_service;
