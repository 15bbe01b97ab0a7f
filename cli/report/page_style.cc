#include "cli/report/page_style.h"

#include "absl/strings/str_replace.h"
#include "cli/plot_colors.h"

namespace rlhf {
namespace {

constexpr char kStyle[] = R"css(
:root {
  --paper: #ffffff; --page: #f5f7f9; --ink: #1f2933; --grey: #52606d;
  --light: #e1e6eb; --accent: #0072b2; --good: #00684a; --bad: #a63c00;
  --good-back: #e3f4ee; --bad-back: #fdeee4;
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 68rem;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: 2.4rem; line-height: 1.15; overflow-wrap: anywhere;
  letter-spacing: -0.01em; }
h2 { margin: 0 0 1rem; font-size: 1.35rem; }
h3 { margin: 1.5rem 0 0.5rem; font-size: 1rem; }
p { margin: 0.6rem 0; max-width: 48rem; }
.label { color: var(--grey); font-size: 0.75rem; letter-spacing: 0.06em;
  text-transform: uppercase; }
.turn .label { text-transform: none; letter-spacing: 0; font-size: 0.8rem; }
.small { color: var(--grey); font-size: 0.85rem; }
.missing { color: var(--grey); border-left: 3px solid var(--light);
  padding-left: 0.75rem; overflow-wrap: anywhere; }
.tiles { display: grid; gap: 0.75rem; margin: 1.5rem 0;
  grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); }
.tile, section { background: var(--paper); border: 1px solid var(--light);
  border-radius: 10px; }
.tile { padding: 0.8rem 0.95rem; }
.tile .value { font-size: 1.6rem; font-weight: 600; line-height: 1.3;
  white-space: nowrap; }
.tile .small { line-height: 1.3; }
nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1.1rem; margin: 0 0 1.5rem; }
a { color: var(--accent); text-decoration-thickness: 1px;
  text-underline-offset: 3px; }
section { padding: 1.4rem 1.5rem; margin: 0 0 1.25rem; }
.figures { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.figures > * { min-width: 0; }
figure { margin: 0; }
figure > svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--grey); font-size: 0.85rem; line-height: 1.4;
  margin-top: 0.2rem; }
.wide { overflow-x: auto; margin: 0.5rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.88rem; }
th, td { text-align: start; vertical-align: top; padding: 0.4rem 0.9rem 0.4rem 0;
  border-bottom: 1px solid var(--light); }
th { color: var(--grey); font-weight: 600; white-space: nowrap; }
td { overflow-wrap: break-word; max-width: 36rem; }
.number { text-align: end; white-space: nowrap; }
tr.with-remark td { border-bottom: 0; padding-bottom: 0.1rem; }
tr.remark td { color: var(--grey); font-size: 0.82rem; line-height: 1.4;
  max-width: none; padding-bottom: 0.7rem; }
.mark { border-radius: 4px; padding: 0.05rem 0.4rem; }
.mark.good { color: var(--good); background: var(--good-back); }
.mark.bad { color: var(--bad); background: var(--bad-back); }
article { border-top: 2px solid var(--light); padding-top: 0.6rem; }
article h3 { margin-top: 0; }
blockquote { margin: 0.1rem 0 0.7rem; padding: 0.5rem 0.75rem;
  background: var(--page); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: 0.92rem; }
pre { margin: 0.5rem 0; padding: 0.75rem; background: var(--page);
  border-radius: 6px; overflow-x: auto; line-height: 1.45;
  font: 0.8rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
summary { cursor: pointer; color: var(--accent); margin-top: 0.75rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 40rem) {
  body { padding: 1.25rem 0.75rem 2rem; }
  h1 { font-size: 1.8rem; }
  section { padding: 1rem 0.85rem; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #1a2027; --page: #12161b; --ink: #e4e9ee; --grey: #a3b0bc;
    --light: #33404c; --accent: #6cb9ea; --good: #7fd6b6; --bad: #f5ab7e;
    --good-back: #143228; --bad-back: #3b2415;
  }
  /* Plots have their colours as attributes, which are weaker than this. */
  svg [fill="PLOT_PAPER"] { fill: var(--paper); }
  svg [stroke="PLOT_PAPER"] { stroke: var(--paper); }
  svg [fill="PLOT_INK"] { fill: var(--ink); }
  svg [stroke="PLOT_INK"] { stroke: var(--ink); }
  svg [fill="PLOT_GREY"] { fill: var(--grey); }
  svg [stroke="PLOT_GREY"] { stroke: var(--grey); }
  svg [stroke="PLOT_LIGHT"] { stroke: var(--light); }
  svg [fill="#0072B2"] { fill: #3d9fdb; }
  svg [stroke="#0072B2"] { stroke: #3d9fdb; }
  svg [fill="#000000"] { fill: var(--ink); }
  svg [stroke="#000000"] { stroke: var(--ink); }
}
@media print {
  @page { size: A4; margin: 14mm; }
  :root { --page: #ffffff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, details { display: none; }
  section { border: 0; padding: 0; margin: 0 0 7mm; }
  h2 { border-bottom: 1.5pt solid var(--ink); padding-bottom: 1mm; }
  h2, h3 { break-after: avoid; }
  figure, .tile, tr, blockquote { break-inside: avoid; }
  tr.with-remark { break-after: avoid; }
  .tiles { grid-template-columns: repeat(4, 1fr); gap: 3mm; }
  .tile .value { font-size: 15pt; }
  .figures { grid-template-columns: 1fr 1fr; gap: 5mm; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding-right: 2mm; }
  th { white-space: normal; }
  td { overflow-wrap: anywhere; }
  .mark { padding: 0; background: none; font-weight: 600; }
  blockquote, pre { border: 0.5pt solid var(--light); }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 7pt; }
  a { color: inherit; }
}
)css";

}  // namespace

std::string PageStyle() {
  return absl::StrReplaceAll(kStyle, {{"PLOT_PAPER", kPlotPaper},
                                      {"PLOT_INK", kPlotInk},
                                      {"PLOT_GREY", kPlotGrey},
                                      {"PLOT_LIGHT", kPlotLight}});
}

}  // namespace rlhf
