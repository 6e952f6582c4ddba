"""How the HTML report looks, and its one script: it hides what a filter leaves out, and unfolds all for printing.

Texts of the program's own.
"""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #5b6472; --paper: #fff; --card: #f6f7f9; --line: #d9dde3;
  --create: #1a7f37; --update: #9a6700; --delete: #c42b1c; --restart: #a3279b; --wait: #0b6e8a; --held: #8a5a00;
  --unknown: #c42b1c; --add: #e6f6ea; --cut: #fdebe9; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --soft: #9aa4b2; --paper: #14171c; --card: #1c2026;
  --line: #343a44; --create: #4cc36a; --update: #e0ae3f; --delete: #ff7b6e; --restart: #e58be0; --wait: #56c3e0;
  --held: #e0ae3f; --unknown: #ff7b6e; --add: #12301b; --cut: #3a1a17; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
p, body > div, body > details { margin: .4rem 0; } p { max-width: 60rem; } summary { cursor: pointer; }
.soft { color: var(--soft); }
code, pre, .name { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .9em; }
a { color: var(--link); }
.totals { display: flex; flex-wrap: wrap; gap: .4rem; margin: .8rem 0; padding: 0; list-style: none; }
.totals li, article { border: 1px solid var(--line); border-left: 5px solid var(--tone); border-radius: 4px;
  background: var(--card); }
.totals li { padding: .1rem .6rem; }
.totals b { font-variant-numeric: tabular-nums; }
.create { --tone: var(--create); }
.update { --tone: var(--update); }
.delete { --tone: var(--delete); }
.restart { --tone: var(--restart); }
.wait { --tone: var(--wait); }
.held { --tone: var(--held); }
.unknown { --tone: var(--unknown); }
article { margin: .5rem 0; padding: .5rem .8rem; break-inside: avoid; }
article:target { outline: 2px solid var(--link); }
article header { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; overflow-wrap: anywhere; }
.verb { font-weight: 600; } .name { font-weight: 600; }
dl { margin: .3rem 0 0; display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem .8rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin-top: .4rem; width: 100%; }
td { padding: .1rem .6rem .1rem 0; vertical-align: top; overflow-wrap: anywhere; }
td:first-child { width: 1%; min-width: 8rem; white-space: nowrap; color: var(--soft); }
pre { margin: 0; padding: .3rem .5rem; overflow: auto; max-height: 28rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: 4px; }
ins, del { text-decoration: none; display: block; padding: 0 .3rem; border-radius: 2px; white-space: pre-wrap; }
ins { background: var(--add); } del { background: var(--cut); }
ins::before { content: "+ "; } del::before { content: "\\2212  "; }
pre ins, pre del, pre span { display: block; white-space: pre; padding: 0; width: max-content; min-width: 100%; }
pre ins::before, pre del::before { content: none; }
.drawing { overflow: auto; border: 1px solid var(--line); border-radius: 4px; max-height: 40rem; }
svg .box { fill: var(--card); stroke: var(--line); } svg .arrow { fill: none; stroke: var(--soft); stroke-opacity: .6; }
svg .tip { fill: var(--soft); } svg .bar { fill: var(--tone); } svg text { fill: var(--ink); font-size: 12px; }
svg text.kind { fill: var(--soft); font-size: 11px; font-family: system-ui, sans-serif; }
svg a:hover .box, svg a:focus .box { stroke: var(--link); stroke-width: 2; }
form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin-top: 1rem;
  position: sticky; top: 0; background: var(--paper);
  padding: .6rem 0; border-bottom: 1px solid var(--line); z-index: 1; }
label { display: flex; flex-direction: column; font-size: .8rem; color: var(--soft); max-width: 100%; }
select, input { font: inherit; font-size: .9rem; padding: .25rem .4rem; max-width: 100%; }
[hidden] { display: none !important; }
.faded { opacity: .2; }
@media (max-width: 40rem) { form { position: static; } dl, table, tbody, tr, td { display: block; width: auto; }
  td:first-child { width: auto; white-space: normal; } dt { margin-top: .3rem; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --card: #fff; --line: #bbb; --add: #fff;
  --cut: #fff; } form { display: none; } pre, .drawing { max-height: none; overflow: visible; }
  pre ins, pre del, pre span { white-space: pre-wrap; width: auto; }
  svg { max-width: 100%; height: auto; } body { max-width: none; padding: 0; } }
"""

SCRIPT = """
addEventListener('beforeprint', () => {
  for (const folded of document.querySelectorAll('details')) folded.open = true;
});
const form = document.querySelector('form');
if (form) {
  const items = [...document.querySelectorAll('article[data-verb]')];
  const has = (words, word) => !word || words.split(' ').includes(word);
  const filter = () => {
    const [target, kind, verb] = ['target', 'kind', 'verb'].map(name => form.elements[name].value);
    const text = form.elements.text.value.trim().toLowerCase();
    const kept = new Set();
    for (const item of items) {
      const { targets, kinds } = item.dataset;
      const fits = has(targets, target) && has(kinds, kind) && has(item.dataset.verb, verb)
        && (!text || item.textContent.toLowerCase().includes(text));
      item.hidden = !fits;
      if (fits) kept.add(item.id);
    }
    for (const group of document.querySelectorAll('section.group')) {
      group.hidden = !group.querySelector('article:not([hidden])');
    }
    for (const box of document.querySelectorAll('svg [data-item]')) {
      box.classList.toggle('faded', !kept.has(box.dataset.item));
    }
    for (const arrow of document.querySelectorAll('svg [data-from]')) {
      arrow.classList.toggle('faded', !(kept.has(arrow.dataset.from) && kept.has(arrow.dataset.to)));
    }
    form.elements.shown.value = kept.size + ' of ' + items.length;
  };
  form.addEventListener('input', filter);
  form.addEventListener('submit', event => event.preventDefault());
  form.addEventListener('reset', () => setTimeout(filter));
  form.hidden = false;
  filter();
}
"""
