"""The host helper: the one program that Bivisor runs on a host; streamed over SSH into `python3`, never installed.

It answers JSON lines on its standard input with JSON lines on its standard output:

    {"id": 1, "slot": 0, "ask": [[op, args], ...]}  ->  {"id": 1, "replies": [[data, code, error], ...]}
    {"id": 2, "again": 0}                           ->  the same, or {"id": 2, "same": true} if no reply has changed
    {"id": 3, "do": [op, args]}                     ->  {"id": 3, "reply": [data, code, error]}
    {"id": 3, "epoch": [cloud, number, place], "do": [op, args]}      the same, or refused as `fenced` or `deposed`
    {"id": 4, "watch": {"paths": [...], "units": [...], "cib": true, "beat": 10}}
                                                    ->  {"id": 4, "reply": [{"deaf": [...]}, code, error]}

While it watches, it says between the answers, without being asked, what may have changed, and that it is there:

    {"signal": {"paths": [...], "units": [...], "cib": true, "all": false, "deaf": [...]}}
    {"signal": {"beat": 7}}

It ends with its input; an action in hand is completed first. On the host it leaves nothing but `/var/lib/bivisor/`:
the inventory of what Bivisor wrote and what it started services with,
and the newest epoch of a leader.

    loader              lets the host import the modules below from the stream: as compiled by a Python of its own kind,
                        else from source, only those that are needed
    serve               the loop, and which module knows which word
    wire commands durable inventory     JSON and digests, programs, replacing files, remembering
    files packages services pacemaker facts     queries: they change nothing
    epochs              whether who writes still leads, and what of that is told to the host's log
    *_changes           actions; compiled at the first one
    push_signals        what is watched, how soon it is told, and the beat; compiled when something is watched
    file_signals unit_signals     what is heard: inotify, systemd

Not in this room: anything outside of the standard library, and any Python younger than 3.6: no dataclasses, no
walrus, annotations in quotes. Nor a module that is slow to import, since the helper starts anew with every connection:
`json`, `subprocess`, `signal` and `re` would together triple the time until the first answer.
"""
