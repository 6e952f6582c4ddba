"""What OpenStack releases call things and when they came and went: data with sources."""
