-- stream_standing --
-- Decision state: whether a code that leads to a stream is contested, when its holder ended, and which
-- other streams are the same holder's.
ALTER TABLE streams
    ADD COLUMN is_contested boolean NOT NULL DEFAULT false,
    ADD COLUMN ended_at bigint,
    ADD COLUMN same_holder jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN links jsonb NOT NULL DEFAULT '[]';

-- holder_links --
-- Decision state: further codes of a holder, by the reference that their directory rows name.
CREATE TABLE holder_links (
    partition integer NOT NULL,
    link_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    is_reversed boolean NOT NULL,
    PRIMARY KEY (partition, link_ref)
);
GRANT SELECT ON holder_links TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON holder_links TO ledger_service;
