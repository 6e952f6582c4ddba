"""DECIDE: what has to change. Pure: awaits nothing, logs nothing, reads no clock and no file.

A file imports only files before it: errors, load, compile, graph, diff, plan, policy, status, explain, render.
Not in this room: any kind or unit by name, any protocol.
"""
