"""Write the reference pages below docs/reference/ from the code, so that they cannot say what is not so.

    python scripts/generate_reference.py            write the pages
    python scripts/generate_reference.py --check    change nothing; name the pages that are out of date, and end with 1

Not written here: prose. Whatever a page says stands in a model's field, a docstring, or the program's own help.
"""  # noqa: INP001 - a program, no module of a package

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from reconciler.cli.main import DESCRIPTION, app  # noqa: E402 - found by the line above
from reconciler.core import events, past_page, standing_page, structured  # noqa: E402
from reconciler.core.explain import field_words, models_in  # noqa: E402
from reconciler.core.fields import fields_of  # noqa: E402
from reconciler.core.plan import Plan, Step, Verb  # noqa: E402
from reconciler.core.plan_schema import plan_schema  # noqa: E402
from reconciler.core.saved import Commit, PlanFile, SavedUnit  # noqa: E402
from reconciler.desired import compile_offline  # noqa: E402
from reconciler.metrics import Metrics, State  # noqa: E402
from reconciler.news import DATA, ENDS, MEANINGS, MOST_LISTED, Newsroom  # noqa: E402
from reconciler.recorder import Origin  # noqa: E402
from reconciler.settings import SettingsModel  # noqa: E402
from resources.contract import Address, Change, Disruption, Key, SecretText, TargetId, Unit  # noqa: E402
from resources.kinds.registry import KINDS  # noqa: E402
from resources.releases.spelling import ROWS, rows_of  # noqa: E402
from resources.releases.table import FEATURES, RELEASES  # noqa: E402
from resources.rules.registry import RULES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from resources.releases.rows import Row

FOLDER = ROOT / "docs/reference"
NOTICE = "<!-- Written by scripts/generate_reference.py from the code (make docs); edit that, not this. -->"


def main(argv: list[str]) -> int:
    """Write or check every page."""
    stale = [path for path, text in pages() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" not in argv:
        for path, text in pages():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'out of date' if '--check' in argv else 'written'}: {path.relative_to(ROOT)}")  # noqa: T201 - a program
    return 1 if stale and "--check" in argv else 0


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page's path and text."""
    for name in KINDS:
        yield FOLDER / "kinds" / f"{name}.md", kind_page(name)
    yield FOLDER / "commands.md", commands_page()
    yield FOLDER / "plan-json.md", plan_page()
    yield FOLDER / "plan.schema.json", f"{json.dumps(plan_schema(), indent=2)}\n"
    yield FOLDER / "saved-plan.md", saved_plan_page()
    yield FOLDER / "history-json.md", history_page()
    yield FOLDER / "settings.md", settings_page()
    yield FOLDER / "metrics.md", metrics_page()
    yield FOLDER / "status-json.md", status_page()
    yield FOLDER / "events-json.md", events_page()
    yield FOLDER / "rules.md", rules_page()
    yield FOLDER / "units.md", units_page()
    yield FOLDER / "releases.md", releases_page()


# --- kinds


def kind_page(name: str) -> str:
    """Return all fields of a kind, its documents in the demo, and the units that these declare."""
    spec = KINDS[name].spec
    rows = [
        (f"`{path}`", _kind_of_value(info), "yes" if info.is_required() else "", info.description or _doc(spec))
        for path, info in _fields(spec, "")
    ]
    return _page(
        name,
        _doc(spec),
        "The document's head is the same for every kind: `apiVersion: bivisor/v1alpha1`, `kind`, and `metadata` with `name`, "
        "`labels` and `annotations` (`bivisor explain " + name + ".metadata`).",
        "## Fields of `spec`",
        "Dots lead into a mapping, `[]` into each item of a list.",
        _table(("field", "what stands there", "required", "meaning"), rows),
        "## In the demo",
        *(f"```yaml\n{text}\n```" for text in _examples(name)),
        *_declared(name),
    )


def _fields(model: type[BaseModel], above: str) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every field at any depth with its dotted path."""
    for name, (_, info) in fields_of(model).items():
        path = f"{above}{name}"
        yield path, info
        for inner in models_in((info.annotation,)):
            items = "[]" if "list of" in field_words(info) else ""
            yield from _fields(inner, f"{path}{items}.")


def _kind_of_value(info: FieldInfo) -> str:
    return field_words(info).removesuffix(", required")


def _examples(kind: str) -> Iterator[str]:
    """Yield the demo's first two documents of a kind, with the comments around them."""
    found = 0
    for path in sorted((ROOT / "desired").glob("*.yaml")):
        for text in re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if re.search(rf"^kind: {kind}$", text, re.MULTILINE) and found < 2:  # noqa: PLR2004 - two are enough to see it
                found += 1
                yield text.strip()


def _declared(kind: str) -> Iterator[str]:
    """Yield how many units of which types the demo's documents of a kind declare."""
    _, catalog, _ = compile_offline(ROOT / "desired")
    units = [unit for unit in catalog.units.values() if any(origin.kind == kind for origin in unit.origins)]
    if not units:
        yield "It declares no [units](../units.md) of its own: other resources use what it says."
        return
    counted = Counter((unit.address.target.kind, unit.type) for unit in units)
    rows = [(f"`{target}`", f"[{of}](../units.md#{of})", str(count)) for (target, of), count in sorted(counted.items())]
    yield f"From the demo's documents of this kind come these {len(units)} units:"
    yield _table(("target", "unit", "how many"), rows)


# --- commands


def commands_page() -> str:
    """Return each command with its options, and the exit codes."""
    group: Any = typer.main.get_command(app)
    introduction, _, codes = DESCRIPTION.partition("Exit codes: ")
    pairs = [part.strip().rstrip(".").split(" ", 1) for part in codes.replace("\n", " ").split(";")]
    return _page(
        "Commands and exit codes",
        _flow(introduction),
        "## Exit codes",
        _table(("code", "meaning"), [(code, meaning) for code, meaning in pairs]),
        "A wrong command line ends with 1 as well, and so does an `apply` that nobody agreed to.",
        "## Options of all commands",
        "They stand before the command: `bivisor --log-level info plan`.",
        _options(group),
        *(part for name, command in group.commands.items() for part in _command(name, command)),
    )


def _command(name: str, command: Any) -> Iterator[str]:
    words = (
        (each.metavar or each.name.upper(), each.required) for each in command.params if each.param_type_name == "argument"
    )
    yield f"## bivisor {name}{''.join(f' {word}' if required else f' [{word}]' for word, required in words)}"
    yield "\n\n".join(_flow(part) for part in inspect.cleandoc(command.help).split("\n\n"))
    yield _options(command)


def _options(command: Any) -> str:
    context = typer.Context(command)
    rows = []
    for names, meaning in (each.get_help_record(context) for each in command.params):
        text, _, more = meaning.partition("  [")
        found = (part.partition(": ") for part in more.removesuffix("]").split("; ") if part)
        notes = [f"{word} `{value}`" if value else word for word, _, value in found]
        rows.append((f"`{names}`", f"{text} ({', '.join(notes)})" if notes else text))
    return _table(("option", "meaning"), rows) if rows else ""


# --- the plan for programs


def plan_page() -> str:
    """Return the shape of a plan as JSON data, and a small one that is made here."""
    documented = inspect.cleandoc(structured.__doc__ or "")
    _, shape, rest = re.split(r"\n\n(?=    \{)|(?<=\]\})\n\n", documented)
    return _page(
        "The plan for programs",
        "`bivisor plan --output json` prints one JSON object, `bivisor schema plan` [its JSON Schema](plan.schema.json).",
        f"```text\n{textwrap.dedent(shape)}\n```",
        _flow(rest),
        "Two steps of a plan after a rotated password, as the program writes them:",
        f"```json\n{json.dumps(structured.plan_data(_small_plan()), indent=2)}\n```",
    )


def history_page() -> str:
    """Return the shape of the history as JSON data."""
    _, _, shape, rest = re.split(r"\n\n(?=    \{)|(?<=\]\})\n\n|\n\n(?=As data:)", inspect.cleandoc(past_page.__doc__ or ""))
    return _page(
        "The history for programs",
        "`bivisor history --output json` prints one JSON object. [What it is for](../how-to/see-what-was-done.md).",
        f"```text\n{textwrap.dedent(shape)}\n```",
        _flow(rest),
    )


def status_page() -> str:
    """Return the shape of the status as JSON data."""
    shape, _, rest = inspect.cleandoc(standing_page.__doc__ or "").partition("documents`):\n\n")[2].partition("\n\n")
    return _page(
        "The status for programs",
        "`bivisor status --output json` prints one JSON object, without `daemon` and `documents`; with `--watch` one for each "
        "change, on one line. [What it is for](../how-to/see-what-happens.md).",
        f"```text\n{textwrap.dedent(shape)}\n```",
        _flow(rest),
    )


def events_page() -> str:
    """Return the shape of events as JSON data."""
    shape = inspect.cleandoc(events.__doc__ or "").partition("on one line):\n\n")[2]
    return _page(
        "The events for programs",
        "`bivisor events --output json` prints one JSON object, with `--follow` one for each event, on one line. "
        "[What it is for](../how-to/see-what-happens.md).",
        f"```text\n{textwrap.dedent(shape)}\n```",
    )


def saved_plan_page() -> str:
    """Return the shape of a saved plan: each field with its meaning, and the JSON Schema."""
    parts = ((PlanFile, "The file"), (SavedUnit, "A unit in `units`"), (Commit, "`commit`"))
    tables = [
        (f"## {title}", _table(("field", "meaning"), [(f"`{name}`", info.description or "") for name, info in fields]))
        for title, fields in ((title, model.model_fields.items()) for model, title in parts)
    ]
    return _page(
        "The file of a saved plan",
        "`bivisor plan --out FILE` writes one JSON object, with mode 0600. [What it is for](../how-to/review-a-plan.md). "
        "It holds no secret: values of secrets are masked, and digests are all that is compared.",
        _doc(PlanFile),
        *(part for table in tables for part in table),
        "## JSON Schema",
        f"```json\n{json.dumps(PlanFile.model_json_schema(), indent=2)}\n```",
    )


def _small_plan() -> Plan:
    return Plan(
        (
            Step(
                Address(TargetId("ssh", "ctl1"), "config_file", "/etc/nova/vcenter/vcenter-c0/nova.conf"),
                Verb.UPDATE,
                changes=(Change("[vmware] host_password", SecretText("one"), SecretText("another")),),
                origins=(Key("HypervisorZone", "vcenter-az"),),
                intended=Verb.UPDATE,
            ),
            Step(
                Address(TargetId("pacemaker", "demo"), "primitive", "nova-compute-vcenter-c0"),
                Verb.RESTART,
                changes=(Change("fresh", before=False, after=True),),
                reasons=("loads /etc/nova/vcenter/vcenter-c0/nova.conf on ssh:ctl1, where [vmware] host_password changes",),
                needs=(Address(TargetId("ssh", "ctl1"), "config_file", "/etc/nova/vcenter/vcenter-c0/nova.conf"),),
                disruption=Disruption("nova-compute-vcenter-c0 on ctl1"),
                origins=(Key("HypervisorZone", "vcenter-az"),),
                intended=Verb.RESTART,
            ),
        )
    )


# --- operating


def settings_page() -> str:
    """Return every field of the daemon's settings, and what webhooks are told."""
    rows = [
        (f"`{path}`", _kind_of_value(info), "yes" if info.is_required() else "", info.description or "")
        for path, info in _fields(SettingsModel, "")
    ]
    events = [
        (f"`{event}`", f"`{ENDS[event]}`" if event in ENDS else "", meaning, DATA[event]) for event, meaning in MEANINGS.items()
    ]
    return _page(
        "Settings of the daemon",
        "`bivisor run --settings FILE` reads one YAML document. [What it is for](../how-to/operate-the-daemon.md).",
        "Dots lead into a mapping, `[]` into each item of a list.",
        _table(("field", "what stands there", "required", "meaning"), rows),
        "## Events",
        "What `webhooks[].events` may name, and the `type` of a request; what lasts has an end that is told as well.",
        _table(("event", "its end", "meaning", "`data` of a request"), events),
        f"`subjects` names {MOST_LISTED} at most; `count` says how many there are.",
    )


def metrics_page() -> str:
    """Return every number of `/metrics`, with its labels."""
    families = Metrics(Newsroom(lambda _: None, lambda: Origin("run")), State()).families()
    rows = [(f"`{name}`", kind, ", ".join(labels), text) for name, kind, labels, text in families]
    return _page(
        "Metrics",
        "What `bivisor run` tells at `/metrics` once `listen` is [set](settings.md). "
        "[What it is for](../how-to/operate-the-daemon.md#prometheus-and-grafana).",
        _table(("name", "type", "labels", "meaning"), rows),
        "Beside these stand those of every Python process: `process_*` (memory, open files, processor time) and `python_gc_*`.",
    )


# --- rules and units


def rules_page() -> str:
    """Return what the rules across documents demand, and what they say."""
    cases: list[Mapping[str, Any]] = yaml.safe_load((ROOT / "tests/rules/cases.yaml").read_text(encoding="utf-8"))
    said: dict[str, str] = {}
    for case in cases:
        for line in case.get("said", ()):
            said.setdefault(case["rule"], line)
    return _page(
        "Rules across documents",
        "Checked by every command after each document is right in itself, and all at once. A warning stops nothing.",
        *(part for rule in RULES for part in _rule(rule, said.get(rule.__name__, ""))),
    )


def _rule(rule: Callable[..., Any], example: str) -> Iterator[str]:
    yield f"## {rule.__name__}"
    warns = "warning=True" in inspect.getsource(rule)
    yield _flow(inspect.getdoc(rule) or "") + (" (a warning)" if warns else "")
    if example:
        yield f"```text\n{example}\n```"


def units_page() -> str:
    """Return every type of unit: its fields, what it asks and does, what it interrupts."""
    found = sorted(_unit_types(), key=lambda unit: unit.type)
    return _page(
        "Units",
        "A unit is the smallest thing that converges alone, on one target: the lines of a plan are units. They come from "
        "documents, nobody writes them by hand. Their addresses are `TARGET/TYPE/NAME`.",
        *(part for unit in found for part in _unit(unit)),
    )


def _unit_types() -> Iterator[type[Unit]]:
    """Yield the classes below resources/units."""
    for path in sorted((ROOT / "resources/units").glob("[a-z]*.py")):
        module = __import__(f"resources.units.{path.stem}", fromlist=["*"])
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Unit) and value.__module__ == module.__name__:
                yield value


def _unit(unit: type[Unit]) -> Iterator[str]:
    source = _source(unit)
    settle_s = next(field.default for field in dataclasses.fields(unit) if field.name == "settle_s")
    rows = [
        ("asks", ", ".join(f"`{op}`" for op in dict.fromkeys(re.findall(r'Query\(\s*f?"([a-z_.]+)"', source)))),
        ("does", ", ".join(f"`{op}`" for op in dict.fromkeys(_actions(source))) or "nothing: it can only be waited for"),
        ("may interrupt a service", "yes" if unit.disruption is not Unit.disruption else "no"),
        ("may settle by itself", f"within {settle_s:.0f} s" if settle_s else "no"),
    ]
    yield f"## {unit.type}"
    yield "\n\n".join(_flow(part) for part in (inspect.getdoc(unit) or "").split("\n\n"))
    yield _table(("", ""), rows)


def _source(unit: type[Unit]) -> str:
    """Return the text of the class's module and of those it inherits from, with its own words for what they leave open."""
    modules = dict.fromkeys(inspect.getmodule(part) for part in unit.__mro__ if issubclass(part, Unit) and part is not Unit)
    text = "\n".join(inspect.getsource(module) for module in modules if module)

    def own(found: re.Match[str]) -> str:
        word = getattr(unit, found[1], None)
        return str(word() if callable(word) else word)

    return re.sub(r"\{self\.(service|lodgers)(?:\(\))?\}", own, text)


def _actions(source: str) -> Iterator[str]:
    """Yield the actions that a unit's module names, those of written files included."""
    if "write_file(" in source:
        yield "file.write"
    asked = set(re.findall(r'Query\(\s*f?"([a-z_.]+)"', source))
    named = re.findall(r'"((?:file|directory|package|service|systemd|cib|resource|aggregate)\.[a-z_]+)"', source)
    yield from (op for op in (*named, *re.findall(r'Action\(\s*f?"([a-z_.]+)"', source)) if op not in asked)


# --- releases


def releases_page() -> str:
    """Return the releases, what only some of them have, and how each option that is written is called in which of them."""
    releases = dict.fromkeys(RELEASES.values())
    features = [(one.name, _span(one.first, one.last), _flow(one.meaning), one.source) for one in FEATURES.values()]
    return _page(
        "OpenStack releases",
        "`Cluster.spec.release` takes each of these names. It decides what options are called, what is left out, and what is "
        "refused because that release cannot do it. [Look at an upgrade](../how-to/look-at-an-upgrade.md) before you make it.",
        "## Names",
        _table(
            ("release", "also", "Nova"),
            [(f"`{one.name}`", f"`{one.alias}`" if one.alias else "", _nova_version(one.alias, one.nova)) for one in releases],
        ),
        "## What only some have",
        _table(("feature", "releases", "what it is", "source"), features),
        "## Options",
        "Every option that Bivisor writes of its own accord, as the newest release calls it. Where a line below it stands, "
        "those releases call it otherwise; where no line names a release, it has no such option, and Bivisor refuses to "
        "write it. `<own>` is the section of a backend or a store, which has its name.",
        *(part for service in ROWS for part in (f"### {service.capitalize()}", _options_table(service))),
        "In the sources `15.1.5 | 16.1.8` means: not so in the first version, so in the second.",
    )


def _nova_version(alias: str, nova: int) -> str:
    return alias if alias.startswith(("2014", "2015")) else str(nova)


def _options_table(service: str) -> str:
    known = dict.fromkeys((row.section, name) for row in ROWS[service] for name in row.names)
    rows = []
    for section, name in known:
        for number, row in enumerate(reversed(rows_of(service, section, name))):
            option = "" if number else f"`[{section}] {name}`"
            rows.append((option, _span(row.first, row.last), _fate(row), row.source))
    return _table(("option", "releases", "written", "source"), rows)


def _span(first: str, last: str) -> str:
    if first == last:
        return first
    since = f"since {first}" if first != "juno" else "all"
    return f"{first} to {last}" if last else since


def _fate(row: Row) -> str:
    """Say what becomes of an option in the releases of a row."""
    if row.absent:
        return "left out"
    if row.refused:
        spared = f", unless its value is {row.harmless}" if row.harmless else ""
        spared += f", unless settings have `[{row.unless[0]}] {row.unless[1]}`" if row.unless else ""
        return f"refused{spared}: {row.refused}"
    if row.at is None:
        return "as it is"
    texts = "; ".join(f"{new} for {old}" for old, new in row.values.items())
    return f"`[{row.at[0]}] {row.at[1]}`" + (f" ({texts})" if texts else "")


# --- Markdown


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", NOTICE, *(part for part in parts if part))) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def _flow(text: str) -> str:
    """Return a paragraph on one line: Markdown's readers wrap it themselves."""
    return " ".join(text.split())


def _doc(model: type[BaseModel]) -> str:
    return _flow(inspect.getdoc(model) or "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
