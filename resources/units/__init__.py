"""Units: what targets understand. Units never import each other."""
