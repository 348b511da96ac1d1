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
GROUP BY partition, source, day
