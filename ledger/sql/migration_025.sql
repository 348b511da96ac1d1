-- cosignatures --
-- Of each witness, the newest tree head that it cosigned: no part of the history, and kept beside it.
CREATE TABLE cosignatures (
    partition integer NOT NULL,
    witness text NOT NULL,
    generation integer NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    line text NOT NULL,
    stored_at bigint NOT NULL,
    PRIMARY KEY (partition, witness)
);
GRANT SELECT ON cosignatures TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON cosignatures TO ledger_service;

-- cosigned_checkpoints --
-- Signed tree heads that as many witnesses cosigned as were asked for, with their lines.
CREATE TABLE cosigned_checkpoints (
    partition integer NOT NULL,
    generation integer NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    stored_at bigint NOT NULL,
    PRIMARY KEY (partition, generation, size)
);
GRANT SELECT ON cosigned_checkpoints TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON cosigned_checkpoints TO ledger_service;

-- time_stamps --
-- Signed tree heads that an outside authority time-stamped, with its answers.
CREATE TABLE time_stamps (
    partition integer NOT NULL,
    generation integer NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    response bytea NOT NULL,
    stamped_at bigint NOT NULL,
    stored_at bigint NOT NULL,
    PRIMARY KEY (partition, generation, size)
);
GRANT SELECT ON time_stamps TO ledger_service, ledger_reader;
GRANT INSERT ON time_stamps TO ledger_service;
