"""The look of the report: one style sheet and one script, both inline."""

STYLE = """
:root { --ink: #16202b; --quiet: #5b6774; --line: #dde3ea; --paper: #fff; --tint: #f6f8fb;
  --accent: #1d63c9; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--tint); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 36px 28px 60px; }
h1 { font-size: 27px; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 40px 0 4px; }
p { margin: 4px 0 12px; max-width: 105ch; }
.quiet, figcaption, .card small { color: var(--quiet); }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin: 22px 0 0; }
.tile, .card, .panel { background: var(--paper); border: 1px solid var(--line);
  border-radius: 10px; }
.tile { padding: 14px 16px; }
.tile b { display: block; font-size: 29px; line-height: 1.2; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; }
.tile span { color: var(--quiet); font-size: 13px; line-height: 1.35; display: block; }
.panel { padding: 16px 18px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; font-size: 13px; color: var(--quiet);
  border-bottom: 1px solid var(--line); padding: 6px 12px; white-space: nowrap; }
td { text-align: right; padding: 6px 12px; border-bottom: 1px solid #eef1f5; }
th:first-child, td:first-child, th.text, td.text { text-align: left; }
td.bar { background: linear-gradient(to right, var(--bar) var(--share), transparent var(--share))
  no-repeat left 12px bottom 3px / calc(100% - 24px) 3px; }
tr.mean td { font-weight: 650; background-color: var(--tint); }
.swatch, .key i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
  margin-right: 6px; vertical-align: -1px; }
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.charts h3 { font-size: 15px; margin: 0 0 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; margin-bottom: 4px; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: var(--quiet); }
svg text.label { fill: var(--ink); font-size: 12.5px; }
svg .grid { stroke: var(--line); }
svg .axis, svg .tick { stroke: #9aa6b2; }
.cards { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.card { padding: 12px 14px; }
.card header { display: flex; justify-content: space-between; gap: 12px; margin-bottom: 8px; }
.card header b { font-weight: 650; }
.trio { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; }
figure { margin: 0; }
figcaption { font-size: 12.5px; text-align: center; margin-top: 3px; }
.frame { position: relative; background: #000; border-radius: 5px; overflow: hidden; }
.frame img { position: absolute; inset: 0; width: 100%; height: 100%; }
.overlay { opacity: var(--overlay, 1); }
.tools { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; margin: 0 0 12px; }
ul { margin: 6px 0; padding-left: 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 20px; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 900px) { .tiles { grid-template-columns: 1fr 1fr; }
  .charts, .cards { grid-template-columns: 1fr; } }
@media print { body { background: #fff; } .card, .panel, .tile { break-inside: avoid; } }
"""

OVERLAY_SLIDER = (
    "<label>Overlay <input type='range' min='0' max='1' step='0.05' value='1' "
    "oninput=\"document.documentElement.style.setProperty('--overlay', this.value)\"></label>"
)
