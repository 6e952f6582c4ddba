"""Units, by data files: what they ask, how they read it, what they would do. And by properties, against models of targets."""
