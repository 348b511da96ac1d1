-- draft_persons --
-- Decision state: through which client a draft was entered, and the reference of its drafter's name.
ALTER TABLE drafts
    ADD COLUMN client bytea,
    ADD COLUMN drafter_name bytea
