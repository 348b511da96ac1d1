-- collection_days --
-- Decision state: how many rows of a source were applied of each Beijing day, and whether both sides agreed on them.
CREATE TABLE collection_days (
    partition integer NOT NULL,
    day_key text COLLATE "C" NOT NULL,
    rows bigint NOT NULL,
    newest_index bigint,
    agreed_index bigint,
    agreed_rows bigint,
    PRIMARY KEY (partition, day_key)
);
GRANT SELECT ON collection_days TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON collection_days TO ledger_service;

-- collection_days_so_far --
-- What was applied before the table came.
INSERT INTO collection_days (partition, day_key, rows, newest_index)
SELECT partition, source || ' ' || day, count(*), max(collected_index)
FROM (
    SELECT partition, source, collected_index,
           floor((operated_at + 28800000000) / 86400000000.0)::bigint AS day
    FROM collected_rows
) AS dated
GROUP BY partition, source, day;

-- rejects_wait --
-- Rejected rows stay in a list until a row of their license is applied: whose they are, since when, how often.
ALTER TABLE collection_rejects ADD COLUMN license_key bytea;
ALTER TABLE collection_rejects ADD COLUMN type_code text;
ALTER TABLE collection_rejects ADD COLUMN operation text;
ALTER TABLE collection_rejects ADD COLUMN operated_at bigint;
ALTER TABLE collection_rejects ADD COLUMN organization text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE collection_rejects ADD COLUMN first_at bigint NOT NULL DEFAULT 0;
ALTER TABLE collection_rejects ADD COLUMN times bigint NOT NULL DEFAULT 1;
ALTER TABLE collection_rejects ADD COLUMN settled_at bigint;
UPDATE collection_rejects SET first_at = rejected_at, organization = split_part(source, ' ', 1);
CREATE INDEX collection_rejects_open ON collection_rejects (partition, organization, first_at, row_key)
WHERE settled_at IS NULL;
CREATE INDEX collection_rejects_by_license ON collection_rejects (partition, license_key)
WHERE settled_at IS NULL
