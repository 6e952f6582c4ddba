"""Units, by data files: what they ask, how they read it, what they would do."""
