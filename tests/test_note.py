"""Signed notes and checkpoints: the standard's own example, every flaw, and another implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import keys, note
from tests import judges

# The worked examples of c2sp.org/signed-note@v1.0.0 and c2sp.org/tlog-checkpoint@v1.0.0.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_TEXT = "This is an example message.\n"
C2SP_NOTE = (
    C2SP_TEXT
    + "\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1"
    + "Yu72IneyaQM=\n"
)
C2SP_CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

NAME = "ledger.example/log/0"
KEY = keys.SigningKey(bytes([7]) * 32)
TRUSTED = note.VerifierKey(name=NAME, public=KEY.public)
STRANGER = keys.SigningKey(bytes([8]) * 32)
TEXT = f"{NAME}\n3\n{'A' * 43}=\n"
NOTE = note.sign(TEXT, name=NAME, key=KEY)
LINE = NOTE.removeprefix(TEXT + "\n")

BAD_NOTES = {
    "nothing": "",
    "no signature": TEXT,
    "no signature after the blank line": TEXT + "\n",
    "no blank line": TEXT + LINE,
    "no newline at the end": NOTE[:-1],
    "a blank line at the end": NOTE + "\n",
    "text after the signatures": NOTE + "and so on\n",
    "a hyphen for the dash": NOTE.replace("— ", "- "),
    "two spaces after the dash": NOTE.replace("— ", "—  "),
    "two spaces after the name": NOTE.replace(f"{NAME} ", f"{NAME}  "),
    "a space at the end of the line": NOTE[:-1] + " \n",
    "a carriage return": NOTE.replace("\n", "\r\n"),
    "a tab in the text": "\t" + NOTE,
    "a zero byte in the text": "\0" + NOTE,
    "a lone surrogate in the text": "\ud800" + NOTE,
    "a lone surrogate in the signature": NOTE[:-1] + "\ud800\n",
    "a name with a plus": NOTE.replace(f"— {NAME}", "— a+b"),
    "no name": NOTE.replace(f"— {NAME}", "— "),
    "base64 with spare bits": NOTE[:-3] + chr(ord(NOTE[-3]) + 1) + "=\n",
    "base64 without padding": NOTE[:-2] + "\n",
    "a signature of four bytes": TEXT + f"\n— {NAME} AAAAAA==\n",
    "a text that is not the signed one": NOTE.replace("\n3\n", "\n4\n"),
    "a text with one more line": "x\n" + NOTE,
    "only a stranger's signature": note.sign(TEXT, name=NAME, key=STRANGER),
    "the right key under another name": note.sign(TEXT, name="other.example/log", key=KEY),
    "a good signature and a bad one of the same key": NOTE
    + LINE.replace("=", "").replace(LINE[-8:-3], "AAAA"),
    "too many signatures": TEXT + "\n" + LINE * (note.SIGNATURES_MAX + 1),
    "too long": "x" * note.NOTE_BYTES_MAX + "\n" + NOTE,
}

BAD_CHECKPOINTS = {
    "two lines": f"{NAME}\n3\n",
    "no origin": f"\n3\n{'A' * 43}=\n",
    "no newline at the end": f"{NAME}\n3\n{'A' * 43}=",
    "an empty extension line": f"{TEXT}\n",
    "a size with a leading zero": TEXT.replace("\n3\n", "\n03\n"),
    "a size with a sign": TEXT.replace("\n3\n", "\n+3\n"),
    "a negative size": TEXT.replace("\n3\n", "\n-3\n"),
    "a size in other digits": TEXT.replace("\n3\n", "\n\u0663\n"),
    "a size with a space": TEXT.replace("\n3\n", "\n3 \n"),
    "a size of 20 digits": TEXT.replace("\n3\n", f"\n{'9' * 20}\n"),
    "a size without end": TEXT.replace("\n3\n", f"\n{'9' * 9000}\n"),
    "a root with spare bits": TEXT.replace("A=\n", "B=\n"),
    "a root without padding": TEXT.replace("A=\n", "A\n"),
    "a carriage return": TEXT.replace("\n", "\r\n"),
    "a lone surrogate": "\ud800" + TEXT,
}

BAD_KEYS = {
    "nothing": "",
    "two parts": "example.com/foo+530d903a",
    "no name": C2SP_KEY.removeprefix("example.com/foo"),
    "another name": C2SP_KEY.replace("foo", "bar"),
    "another hash": C2SP_KEY.replace("530d", "530e"),
    "a hash in upper case": C2SP_KEY.replace("530d903a", "530D903A"),
    "a hash with zeroes before it": C2SP_KEY.replace("530d903a", "00530d903a"),
    "another key": C2SP_KEY.replace("AekyeRrm", "AekyeRrn"),
    "a key of another algorithm": C2SP_KEY.replace("+Aeky", "+Beky"),
    "a shorter key": C2SP_KEY[:-4],
    "base64 with spare bits": C2SP_KEY[:-1] + "l",
    "a newline at the end": C2SP_KEY + "\n",
    "a space before it": " " + C2SP_KEY,
    "a space in the name": C2SP_KEY.replace("/foo", " foo"),
    "a control character in the name": C2SP_KEY.replace("/foo", "\1foo"),
    "a lone surrogate in the name": C2SP_KEY.replace("/foo", "\ud800foo"),
}


def test_the_example_of_the_standard_verifies() -> None:
    key = note.VerifierKey.parse(C2SP_KEY)
    assert key.text == C2SP_KEY
    assert note.verify(C2SP_NOTE, trusted=[key]) == (C2SP_TEXT, key)


def test_the_checkpoint_of_the_standard_is_read_and_written() -> None:
    checkpoint = note.parse_checkpoint(C2SP_CHECKPOINT)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == C2SP_CHECKPOINT


def test_a_note_gives_its_text_and_who_signed() -> None:
    assert note.verify(NOTE, trusted=[TRUSTED]) == (TEXT, TRUSTED)


def test_signatures_of_strangers_are_passed_over() -> None:
    witnessed = TEXT + "\n— witness.example AAAAAAAA\n" + LINE + "— witness.example/2 BBBBBBBBBBBB\n"
    assert note.verify(witnessed, trusted=[TRUSTED]) == (TEXT, TRUSTED)


def test_a_text_with_empty_lines_ends_at_the_last_one() -> None:
    text = "a\n\nb\n\n"
    assert note.verify(note.sign(text, name=NAME, key=KEY), trusted=[TRUSTED])[0] == text


@pytest.mark.parametrize("bad", BAD_NOTES.values(), ids=BAD_NOTES)
def test_a_bad_note_is_refused(bad: str) -> None:
    with pytest.raises(note.NoteInvalid):
        note.verify(bad, trusted=[TRUSTED])


@pytest.mark.parametrize("bad", BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS)
def test_a_bad_checkpoint_is_refused(bad: str) -> None:
    with pytest.raises(note.NoteInvalid):
        note.parse_checkpoint(bad)


@pytest.mark.parametrize("bad", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_verifier_key_is_refused(bad: str) -> None:
    with pytest.raises(note.NoteInvalid):
        note.VerifierKey.parse(bad)


def test_every_changed_byte_of_a_note_is_refused() -> None:
    data = NOTE.encode()
    for place in range(len(data)):
        for flip in (1, 0x80):
            changed = bytearray(data)
            changed[place] ^= flip
            with pytest.raises(note.NoteInvalid):
                note.verify(changed.decode(errors="surrogateescape"), trusted=[TRUSTED])


@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]) | st.just("\n")))
def test_any_text_that_can_be_signed_verifies(text: str) -> None:
    signed = note.sign(text + "\n", name=NAME, key=KEY)
    assert note.verify(signed, trusted=[TRUSTED]) == (text + "\n", TRUSTED)


@given(st.text(min_size=1), st.binary(min_size=32, max_size=32))
def test_a_verifier_key_is_read_back(name: str, public: bytes) -> None:
    try:
        text = note.VerifierKey(name=name, public=public).text
        key = note.VerifierKey.parse(text)
    except (note.NoteInvalid, UnicodeEncodeError):
        return
    assert (key.name, key.public, key.text) == (name, public, text)


pieces = st.sampled_from(["\n", "\n\n", "— ", " ", NAME, LINE, TEXT, "0", "A" * 43 + "=", "+", "\ud800", "é"])
scraps = st.lists(pieces | st.text(max_size=5)).map("".join)


@given(scraps)
def test_no_text_raises_anything_but_its_own_error(text: str) -> None:
    for read in (
        note.parse_checkpoint,
        note.VerifierKey.parse,
        lambda scrap: note.verify(scrap, trusted=[TRUSTED]),
    ):
        try:
            read(text)
        except note.NoteInvalid:
            continue


@given(st.text(st.characters(codec="ascii", min_codepoint=33)), st.integers(0, 10**19 - 1), st.binary())
def test_a_checkpoint_is_read_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = note.Checkpoint(origin="o" + origin, size=size, root=b"\0" + root)
    assert note.parse_checkpoint(checkpoint.text) == checkpoint


def test_another_implementation_verifies_our_checkpoint() -> None:
    judges.need("tlog_scales.tlog")
    from tlog_scales import signing, tlog

    theirs = tlog.Checkpoint.from_text(NOTE)
    theirs.verify(signing.Vkey.from_string(TRUSTED.text))
    assert (theirs.origin, theirs.size, theirs.root_hash) == (NAME, 3, bytes(32))


def test_we_verify_the_checkpoint_of_another_implementation() -> None:
    judges.need("tlog_scales.tlog")
    from tlog_scales import signing, tlog

    signer = signing.PlainEd25519Signer(NAME, bytes([7]) * 32)
    theirs = tlog.Checkpoint.make_signed(NAME, 3, bytes(32), [signer]).serialize()
    assert theirs == NOTE
    assert str(signer.vkey.serialize()) == TRUSTED.text  # type: ignore[no-untyped-call]
    assert note.verify(theirs, trusted=[TRUSTED]) == (TEXT, TRUSTED)
