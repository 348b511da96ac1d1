-- looks --
-- How often the page behind a QR code was looked at in an hour, by type, issuer and what was said: counts of
-- what nobody recorded, no part of the history and of no replay.
CREATE TABLE looks (
    partition integer NOT NULL,
    hour bigint NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    result text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (partition, hour, type_code, issuer, result)
) WITH (fillfactor = 80);

-- looks_grants --
-- The service counts; who reads decision state reads them.
GRANT SELECT ON looks TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON looks TO ledger_service;
