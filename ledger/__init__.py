"""Floor 1: what is true. Decides, appends and replays the facts; rests on `signing` alone."""
