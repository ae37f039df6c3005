"""How the page looks: light and dark as the reader's system is, on paper in black on white."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  --ground: #ffffff; --raised: #f5f6f8; --line: #d9dde3; --ink: #1a1f29; --soft: #5b6472;
  --blue: #1f6feb; --grey: #8a93a1; --green: #15803d; --red: #c62828; --amber: #b45309; --violet: #7c3aed;
  --shade: rgba(31, 111, 235, .07); --danger: rgba(198, 40, 40, .07);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12151b; --raised: #1b2029; --line: #323a46; --ink: #e6e9ef; --soft: #9aa4b2;
    --blue: #6ea8fe; --grey: #7d8796; --green: #4ade80; --red: #ff7b72; --amber: #fbbf24; --violet: #b794f6;
    --shade: rgba(110, 168, 254, .10); --danger: rgba(255, 123, 114, .10);
  }
}
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); }
body {
  margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 62rem;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
    "WenQuanYi Zen Hei", sans-serif;
}
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.subtitle, footer, figcaption, caption { color: var(--soft); }
footer { margin-top: 3rem; border-top: 1px solid var(--line); font-size: .85rem; }
.good, .tile.good .value { color: var(--green); }
.bad, .tile.bad .value { color: var(--red); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.tile { background: var(--raised); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; }
dd.value { font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
dd.note { color: var(--soft); font-size: .82rem; }
.scroll { overflow-x: auto; margin: .75rem 0 1.25rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .35rem; font-weight: 600; }
th, td { text-align: right; padding: .34rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th.text, td.text { text-align: left; }
td.text, tbody th { white-space: normal; overflow-wrap: anywhere; }
th.text, td.text.wide { min-width: 5.5rem; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; }
figure { margin: 1rem 0 1.5rem; }
figcaption small { display: block; }
figcaption { font-size: .85rem; }
figure .scroll { margin: 0; }
svg { display: block; width: 100%; min-width: 38rem; height: auto; font: 11px system-ui, "PingFang SC", "Microsoft YaHei",
  "Noto Sans CJK SC", "WenQuanYi Zen Hei", sans-serif; }
svg text { fill: var(--soft); }
svg .strong { fill: var(--ink); }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
.grid { stroke: var(--line); stroke-width: 1; }
.edge { stroke: var(--grey); stroke-width: 1; stroke-dasharray: 2 3; }
.shade { fill: var(--shade); }
.danger { fill: var(--danger); } .trouble { fill: var(--red); }
.bar { fill: var(--blue); opacity: .75; }
.area { fill: var(--blue); opacity: .16; }
.now { fill: none; stroke: var(--blue); stroke-width: 2; stroke-linejoin: round; }
.then { fill: none; stroke: var(--grey); stroke-width: 2; stroke-dasharray: 5 4; }
.goal { fill: none; stroke: var(--green); stroke-width: 1.5; stroke-dasharray: 8 4; }
.star { fill: var(--green); } .hidden_gem { fill: var(--violet); } .wasted_traffic { fill: var(--red); }
.tail { fill: var(--amber); } .unclear { fill: var(--grey); opacity: .45; }
@media print {
  :root {
    --ground: #fff; --raised: #fff; --line: #bbb; --ink: #000; --soft: #333; --blue: #0b4fb3; --grey: #666;
    --green: #0a6b2d; --red: #a11; --amber: #8a4b00; --violet: #5b21b6;
    --shade: rgba(31, 111, 235, .07); --danger: rgba(198, 40, 40, .07);
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure, .tile, tr { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .scroll { overflow: visible; }
  svg { min-width: 0; }
  table { font-size: 8.5pt; }
  th, td { padding: .2rem .35rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@page { margin: 14mm; }
"""
