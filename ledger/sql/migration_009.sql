-- stream_names --
-- Decision state: the indexes of the newest changes of a holder's name, whose names are sealed there.
ALTER TABLE streams ADD COLUMN name_changes jsonb NOT NULL DEFAULT '[]'
