"""What OpenStack releases call things and when they came and went: data with sources.

`table` has the releases and their features, `nova`, `cinder` and `glance` the options by service, `spelling` the one
question that kinds and blueprints ask: how is this written in that release. No other module compares releases.
"""
