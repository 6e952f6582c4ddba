"""DECIDE: what has to change. Pure: awaits nothing, logs nothing, reads no clock and no file.

A file imports only files before it:

    errors   seal   wording   syntax, documents: YAML   fields, validate: models   load
    merge, compile   shown   markup, differences   graph   diff   plan   compare   bounds, scope   undone   policy   status
    explain   report   chart, page_look   drawing, structured, render, markdown, page: the forms   plan_schema
    saved, stale: plans as files

Not in this room: any kind or unit by name, any protocol.
"""
