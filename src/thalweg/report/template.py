"""The HTML document around a report; `page` fills in the `$names`, already escaped."""

from __future__ import annotations

from string import Template

from thalweg.colours import COLOURS

# An optimizer's colour on dark paper, in place of that on white.
IN_THE_DARK = "\n  ".join(
    f'figure svg [{part}="{colour.light}"] {{ {part}: {colour.dark}; }}'
    for colour in COLOURS
    for part in ("fill", "stroke")
)

DOCUMENT = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src '$digest'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root {
  --ink: #1b1f24; --quiet: #5c6570; --paper: #f6f7f9; --card: #ffffff; --line: #dfe3e8; --alarm: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9ed; --quiet: #a0a9b4; --paper: #14171b; --card: #1d2126; --line: #353b43; --alarm: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 64rem;
  font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
}
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2, summary { font-size: 1.05rem; font-weight: 600; }
h2 { margin: 2rem 0 .5rem; }
header p { margin: .25rem 0; color: var(--quiet); overflow-wrap: anywhere; }
.verdict { margin: 1rem 0; }
.verdict p { margin: .5rem 0; max-width: 48rem; overflow-wrap: anywhere; }
.verdict p:first-child { font-weight: 600; }
.scroll {
  overflow-x: auto; margin: 1rem 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
}
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .6rem .75rem; color: var(--quiet); }
th, td { padding: .4rem .75rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
.numbers th, .numbers td { text-align: right; white-space: nowrap; }
.numbers thead th { vertical-align: bottom; }
.numbers tr > th[scope="colgroup"] { text-align: center; }
.numbers tbody th, .numbers thead tr:first-child th:first-child {
  position: sticky; left: 0; background: var(--card); text-align: left; white-space: normal;
  min-width: 8.5rem; max-width: 12rem; overflow-wrap: anywhere;
}
.numbers thead tr:first-child th:first-child { vertical-align: bottom; }
.words tbody th { min-width: 8rem; }
.words td:nth-child(3) { min-width: 13rem; }
thead th { font-weight: 500; color: var(--quiet); }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
td small { display: block; color: var(--quiet); }
th small { display: block; font-weight: 500; }
.trouble { color: var(--alarm); white-space: normal; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; margin: .5rem 0; }
figure {
  flex: 1 1 20rem; min-width: 0; margin: 0; padding: .5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem;
}
.small figure { flex: 1 1 15rem; max-width: 26rem; }
figure svg { display: block; width: 100%; height: auto; max-height: 26rem; }
.told figure { display: flex; flex-direction: column; } .told svg { margin-top: auto; }
.time-line figure { max-width: 30rem; } .time-line svg { max-height: none; }
figcaption { padding: .35rem .5rem 0; font-size: .9375rem; font-weight: 600; }
figcaption small { display: block; font-weight: 400; color: var(--quiet); }
.choice { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .5rem 0; font-size: .875rem; }
.choice label, .choice span { display: flex; align-items: center; gap: .35rem; overflow-wrap: anywhere; }
.choice svg { flex: none; width: 1.75rem; height: .5rem; }
@media (min-width: 48rem) { .rows > .choice { position: sticky; top: 0; z-index: 1; } }
@media (prefers-color-scheme: dark) { /* a chart's own greys and white, by their values */
  figure svg [fill="#333333"] { fill: var(--ink); } figure svg [stroke="#333333"] { stroke: var(--ink); }
  figure svg [fill="#ffffff"] { fill: var(--card); } figure svg [stroke="#e4e4e4"] { stroke: var(--line); }
  $colours
}
.note { margin: .5rem 0; max-width: 48rem; font-size: .875rem; color: var(--quiet); overflow-wrap: anywhere; }
.caveats { margin: 1rem 0; padding: .5rem .75rem; max-width: 48rem; border-left: .25rem solid var(--alarm); }
.caveats p { margin: .25rem 0; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; overflow-wrap: anywhere; }
th button, .button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: inherit; cursor: pointer;
}
th button:hover, th button:focus-visible { text-decoration: underline; }
th[aria-sort=ascending] button::after { content: " ↑"; }
th[aria-sort=descending] button::after { content: " ↓"; }
.button {
  display: inline-block; margin: .25rem .5rem .25rem 0; padding: .35rem .75rem; font-size: .875rem;
  text-decoration: none; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
}
[hidden] { display: none; }
details { margin: 1rem 0; }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; font-size: .875rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-size: .8125rem; }
.alarms td:nth-child(n+4) { white-space: nowrap; }
@media (max-width: 32rem) {
  .alarms thead { display: none; } .alarms tr { display: block; padding: .4rem 0; border-top: 1px solid var(--line); }
  .alarms tbody th, .alarms td { display: block; padding: .1rem .5rem; border: 0; }
}
@media (max-width: 32rem) { body { padding: 1rem .5rem 2rem; } figure { padding: 0; }
  th, td { padding: .4rem .5rem; } .numbers tbody th { min-width: 7rem; max-width: 9rem; } }
@media print { .scroll { overflow: visible; } body { max-width: none; } }
</style>
</head>
<body>
<header>
<h1>$title</h1>
<p>$summary</p>
<p>$amount</p>
</header>
<main>
<section class="verdict" aria-label="What the numbers say">$verdict</section>
$content
<section><h2>Data</h2>
<p class="note">This page carries everything that it shows: as JSON in its element with the id "comparison".</p>
<button class="button" id="save" type="button" data-name="$name.json" hidden>Save the raw data (JSON)</button>$links
</section>
</main>
<script type="application/json" id="comparison">$data</script>
<script>$script</script>
</body>
</html>
""")
