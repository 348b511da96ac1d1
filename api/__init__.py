"""Floor 3: who may ask, and how. HTTP, pages and the command line over the three floors below."""
