"""How the page looks, and the one thing it does: sort a table.

Blue and orange stay apart for every kind of colour vision (Okabe and Ito, "Color Universal Design",
2008); text has a contrast of at least 4.5 in both schemes.
"""

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1a212c;--soft:#545f70;
--line:#dce1e8;--ok:#0a66b5;--bad:#c2410c;--hatched:#fbd9c6;--okbg:#e6f0fa;--badbg:#fdeee5;
--code:#eef1f5}
@media(prefers-color-scheme:dark){:root{--page:#10151c;--card:#19202a;--ink:#e7ecf3;
--soft:#a3afc0;--line:#303a48;--ok:#66b3f5;--bad:#ff9257;--hatched:#5b3420;--okbg:#16293c;
--badbg:#3a2418;--code:#232c38}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{padding-top:32px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 4px;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:0 0 12px;line-height:1.25}
h3{font-size:1rem;margin:24px 0 8px}
p{margin:0 0 10px;max-width:75ch;overflow-wrap:anywhere}
section{margin:44px 0 0;scroll-margin-top:12px}
a{color:var(--ok)}
a:focus-visible,summary:focus-visible,button:focus-visible,.wide:focus-visible{outline:2px solid
var(--ok);outline-offset:2px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:18px 0 0}
.by{color:var(--soft);font-size:.875rem}
.unit{color:var(--soft);font-weight:400;font-size:.875em}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.defs{position:absolute}
code{background:var(--code);border-radius:4px;padding:1px 5px;font:.8125rem/1.5 ui-monospace,
"Cascadia Mono",Menlo,Consolas,monospace;overflow-wrap:anywhere;user-select:all}
header>.by{max-width:none}
code.line{display:inline-block;max-width:100%;padding:2px 8px}
code.line span{display:inline-block;max-width:100%}
.verdict{display:flex;flex-wrap:wrap;gap:12px 40px;margin:22px 0 0;padding:18px 22px;
border-radius:10px;border:1px solid var(--line);border-left:8px solid var(--soft);
background:var(--card)}
.verdict.good{border-left-color:var(--ok);background:var(--okbg)}
.verdict.fail{border-left-color:var(--bad);background:var(--badbg)}
.verdict .words{flex:1 1 320px}
.verdict .word{font-size:1.5rem;line-height:1.25;margin-bottom:4px}
.verdict p{margin:0}
.verdict .figure strong{font-size:1.75rem;line-height:1.2;font-variant-numeric:tabular-nums}
.verdict .tile{flex:0 1 auto}
.good{color:var(--ok)}.fail{color:var(--bad)}
.verdict.good,.verdict.fail{color:var(--ink)}
.verdict.good .word{color:var(--ok)}.verdict.fail .word{color:var(--bad)}
td .good,td .fail{white-space:nowrap;font-weight:600}
.wide{overflow-x:auto;margin:0 0 12px;border:1px solid var(--line);border-radius:8px;
background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{padding:7px 12px;text-align:left;vertical-align:middle;border-top:1px solid var(--line)}
thead th{border-top:0;font-weight:600;color:var(--soft);vertical-align:bottom;line-height:1.3}
tbody th{font-weight:600;white-space:nowrap}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.sorts td{white-space:nowrap}
.narrow{width:fit-content;max-width:100%}
.narrow th,.narrow td{padding-right:28px}
thead th{white-space:nowrap}
td .chart{max-width:none}
.maps{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}
th button{all:unset;cursor:pointer;color:inherit}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:6px 20px;margin:0 0 12px;
font-size:.9375rem}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
ul{padding-left:20px;margin:0 0 10px;font-size:.9375rem}
details{margin:0 0 12px}
summary{cursor:pointer;padding:6px 0;color:var(--ok);font-weight:600}
figure{margin:0 0 12px}
figcaption{font-size:.9375rem;margin-bottom:6px}
.grid2{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr))}
.films{display:grid;align-items:start;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px;
margin:0;min-width:0}
.card h3{margin:0 0 4px}
.card .quantity{font-weight:600}
figure.card>figcaption{line-height:1.35}
figure.card>p.by{margin:6px 0 0}
.why{font-weight:600}
video{display:block;width:100%;height:auto;border-radius:6px;margin:0 0 12px;background:#000}
.legend{color:var(--soft);font-size:.875rem}
.legend svg{vertical-align:-1px;margin-right:6px}
.legend span{display:inline-flex;align-items:center;margin-right:16px;color:var(--ink)}
.chart{display:block;max-width:100%;height:auto}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft)}
svg .strong{fill:var(--ink);font-weight:600}
.halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
.grid{stroke:var(--line)}
.track{stroke:var(--line);stroke-width:8;stroke-linecap:round}
.interval{stroke:var(--ok);stroke-width:4;opacity:.45}
.wide .interval{stroke-width:8}
.bound{stroke:var(--ink);stroke-width:2}
.dot{fill:var(--ok)}
.ok{fill:var(--ok)}
.bad{fill:url(#hatch)}
.hatched{fill:var(--hatched)}
.stripe{stroke:var(--bad);stroke-width:1.7;fill:none}
.whisker{stroke:var(--soft);stroke-width:1.5}
.box{fill:var(--card);stroke:var(--ink);stroke-width:1.2}
.median{stroke:var(--ink);stroke-width:2.5}
.curve{fill:none;stroke:var(--ink);stroke-width:2}
.map{margin:0 auto;width:420px}
.ring{fill:none;stroke:var(--line)}
.sector{fill:var(--bad);stroke:var(--line);stroke-width:1}
.survived{stroke:var(--ok);stroke-width:5;stroke-linecap:round;opacity:.6}
.fell{fill:none;stroke:var(--bad);stroke-width:2.2}
.robot{fill:var(--ink)}
footer{color:var(--soft);font-size:.875rem;padding-top:36px;padding-bottom:44px}
@media(max-width:560px){main,header,footer{padding-left:14px;padding-right:14px}
header{padding-top:20px}h1{font-size:1.4rem}dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:8px}th,td{padding:6px 9px}.verdict{padding:14px 16px}}
@media print{body{background:#fff;font-size:11pt}nav{display:none}
section{break-inside:auto}h2,h3{break-after:avoid}figure,article,tr,.verdict{break-inside:avoid}
.wide{overflow:visible}.grid2,.films{grid-template-columns:1fr 1fr}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

# Sorting is an extra: without scripts the tables are there in their own order.
SCRIPT = """
document.querySelectorAll("table.sorts").forEach(function(table){
  var body=table.tBodies[0];
  function key(row,k){
    var text=row.cells[k].textContent.trim().replace(/\\u2212/g,"-");
    var value=parseFloat(text);
    return text==="\\u2013"?null:isNaN(value)?text:value;
  }
  Array.prototype.forEach.call(table.tHead.rows[0].cells,function(head,k){
    var button=document.createElement("button");
    button.type="button";
    while(head.firstChild)button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener("click",function(){
      var up=head.getAttribute("aria-sort")!=="ascending";
      Array.prototype.forEach.call(table.tHead.rows[0].cells,function(other){
        other.removeAttribute("aria-sort");
      });
      head.setAttribute("aria-sort",up?"ascending":"descending");
      var keyed=Array.prototype.map.call(body.rows,function(row){return [key(row,k),row];});
      keyed.sort(function(a,b){
        a=a[0];b=b[0];
        if(a===null||b===null)return (a===null)-(b===null);
        var order=typeof a===typeof b?(a<b?-1:a>b?1:0):typeof a==="number"?-1:1;
        return up?order:-order;
      });
      keyed.forEach(function(pair){body.appendChild(pair[1]);});
    });
  });
});
"""
