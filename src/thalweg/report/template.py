"""The HTML document around a comparison; `page` fills in the `$names`, already escaped."""

from __future__ import annotations

from string import Template

DOCUMENT = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
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
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure {
  flex: 1 1 20rem; margin: 0; padding: .5rem; background: #ffffff; border: 1px solid var(--line); border-radius: .5rem;
}
figure svg { display: block; width: 100%; height: auto; }
details { margin: 1rem 0; }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; font-size: .875rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-size: .8125rem; }
@media (max-width: 32rem) { body { padding: 1rem .5rem 2rem; } figure { padding: 0; } }
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
$headline
<div class="figures">$figures</div>
<h2>Settings</h2>
$settings
<details><summary>Every epoch</summary>
$epochs
</details>
<details><summary>Every run</summary>
$runs
</details>
<h2>Environment</h2>
<dl>$environment</dl>
</main>
<script type="application/json" id="comparison">$data</script>
</body>
</html>
""")
