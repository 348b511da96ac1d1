CREATE TABLE IF NOT EXISTS {schema}.licenses (
    license_ref text PRIMARY KEY,
    lookup bytea NOT NULL,
    type_code text NOT NULL,
    status text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    sealed bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS licenses_lookup ON {schema}.licenses (lookup, type_code);

CREATE TABLE IF NOT EXISTS {schema}.authorizations (
    authorization_ref text PRIMARY KEY,
    requester text NOT NULL,
    type_codes text[] NOT NULL,
    is_withdrawn boolean NOT NULL DEFAULT false,
    uses bigint NOT NULL DEFAULT 0,
    uses_max bigint,
    CONSTRAINT not_used_up CHECK (uses_max IS NULL OR uses <= uses_max)
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS authorizations_requester ON {schema}.authorizations (requester);

CREATE TABLE IF NOT EXISTS {schema}.idempotency (
    client_id text NOT NULL,
    key text NOT NULL,
    body_digest bytea NOT NULL,
    use_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client_id, key)
);
