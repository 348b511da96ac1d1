"""The configuration of the embedded PostgreSQL: texts only, written to its cluster at every start.

Only SCRAM opens it. Its log names no value that a statement carried: an error's text goes to the client that
caused it and to nobody else, because statements can contain personal data.
"""

from pathlib import Path

OWNER = "ledger_owner"
INCLUDED = "ledger.conf"

_FIXED = (
    ("unix_socket_permissions", "0700", "the socket is for the server's own account and root"),
    ("password_encryption", "scram-sha-256", "no other kind of password is ever stored"),
    ("max_connections", "100", "room for the service's pools, maintenance and a backup"),
    ("shared_buffers", "256MB", "the hot heads, states and index pages of a small ledger"),
    ("max_wal_size", "2GB", "checkpoints by time, not in the middle of an import"),
    ("wal_level", "replica", "base backups and replicas stay possible"),
    ("fsync", "on", "a fact that was answered survives a power cut"),
    ("synchronous_commit", "on", "COMMIT returns after the log is on disk, not before"),
    ("full_page_writes", "on", "a page torn by a power cut is put right"),
    ("jit", "off", "short statements; compiling them costs more than it gains"),
    ("timezone", "UTC", "times are stored and compared in UTC"),
    ("log_timezone", "UTC", "one clock in all logs"),
    ("lc_messages", "C", "the log reads the same on every machine"),
    ("cluster_name", "license-ledger", "recognizable in the list of processes"),
    ("logging_collector", "on", "the log rotates by itself"),
    ("log_destination", "stderr", "plain text"),
    ("log_directory", "../log", "beside the data, and it moves with it"),
    ("log_filename", "postgresql-%a.log", "one file per weekday, so a week is kept"),
    ("log_rotation_age", "1d", "one file per weekday, so a week is kept"),
    ("log_rotation_size", "0", "one file per weekday, so a week is kept"),
    ("log_truncate_on_rotation", "on", "last week's file is overwritten"),
    ("log_file_mode", "0600", "nobody else reads it"),
    ("log_min_messages", "log", "an error's own text can quote a value: it goes to the client alone"),
    ("log_min_error_statement", "panic", "no statement is logged with its error"),
    ("log_error_verbosity", "terse", "DETAIL and CONTEXT quote rows and statements"),
    ("log_statement", "none", "no statement is logged"),
    ("log_min_duration_statement", "-1", "no slow statement either"),
    ("log_parameter_max_length", "0", "no parameter is logged"),
    ("log_parameter_max_length_on_error", "0", "no parameter is logged with its error"),
)


def configuration(*, socket_dir: Path, port: int, listen_tcp: bool, wal_compression: str) -> str:
    """The text of the included file: `name = 'value'` with the reason behind each."""
    chosen = (
        (
            "listen_addresses",
            "127.0.0.1" if listen_tcp else "",
            "TCP only if asked for, and never beyond here",
        ),
        ("port", str(port), "names the socket too"),
        ("unix_socket_directories", str(socket_dir), "a short path, for our account alone"),
        ("wal_compression", wal_compression, "less log to write, where the build has a cheap method"),
    )
    lines = [f"{name} = {_quoted(value)}  # {reason}" for name, value, reason in (*chosen, *_FIXED)]
    return "\n".join(["# Written by the ledger at every start: changes here are lost.", *lines, ""])


def host_rules(*, listen_tcp: bool) -> str:
    """The text of pg_hba.conf: a password by SCRAM or nothing."""
    # "all" databases does not include replication, which base backups use.
    lines = ["local all all scram-sha-256", "local replication all scram-sha-256"]
    if listen_tcp:
        lines += [
            "host all all 127.0.0.1/32 scram-sha-256",
            "host replication all 127.0.0.1/32 scram-sha-256",
        ]
    return "\n".join(["# Written by the ledger at every start: changes here are lost.", *lines, ""])


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
