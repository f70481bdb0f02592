"use strict";
/* Draws the page from the block of JSON. Text from data goes in by textContent alone. */
(function () {
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const PER_PAGE = 100, PRINTED = 500, PRINTED_OTHERS = 100;
  const COLORS = { source: "#2f5d8a", fund: "#4b7f52", use: "#8a5a2b", left: "#8c8c8c", back: "#a33b3b" };
  const FONT = getComputedStyle(document.body).fontFamily;
  const state = {
    lang: "zh", printing: false, severity: "", rule: "", fund: "", estate: "", text: "", page: 0,
    line: "", by: "purpose", voucherPage: 0, voucherText: "", voucherOpen: new Set(), estatePage: 0, estateText: "",
    estateOpen: new Set(), clausePage: 0, clauseText: "", balancePage: 0, balanceText: "",
  };
  let charts = [];

  // --- helpers ---

  const byId = (id) => document.getElementById(id);
  const t = (key, ...values) => {
    const words = DATA.words[key];
    const text = words ? words[state.lang === "zh" ? 0 : 1] : key;
    return text.replace(/\{(\d)\}/g, (_, n) => String(values[Number(n)]));
  };
  const said = (one, name) => (state.lang === "zh" && one[name + "_zh"]) || one[name];

  function el(tag, options, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options || {})) {
      if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
      else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false || child === "") continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }

  function fill(id, ...children) {
    byId(id).replaceChildren(...children.flat(Infinity).filter((child) => child));
  }

  /* Whole fen as yuan; digits only, no number of JavaScript is divided. */
  function yuan(fen) {
    if (fen === "" || fen === null || fen === undefined) return "";
    const text = String(fen), minus = text.startsWith("-");
    const digits = (minus ? text.slice(1) : text).padStart(3, "0");
    const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
    return (minus ? "-" : "") + whole + "." + digits.slice(-2);
  }

  const count = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

  function table(columns, rows, numeric, narrow) {
    const right = new Set(numeric || []);
    return el("table", { class: narrow ? "" : "flow" },
      el("thead", null, el("tr", null, columns.map((name, n) => el("th", { class: right.has(n) ? "num" : "" }, name)))),
      el("tbody", null, rows.map((row) => el("tr", null, row.map((cell, n) =>
        el("td", { class: (right.has(n) ? "num" : "") + (n === 0 ? " first" : ""), "data-label": columns[n] }, cell))))));
  }

  function ruleName(name) {
    const rule = DATA.rules[name] || {};
    return (state.lang === "zh" && rule.zh) || name;
  }

  const voucherOf = new Map(DATA.vouchers.rows.map((row, n) => [row.seq, n]));
  const clauseOf = new Map(DATA.clauses.map((row, n) => [row.name, n]));
  const estateOf = new Map(DATA.estates.map((row, n) => [row.id, n]));
  const voucherLabel = (seq) => {
    const row = DATA.vouchers.rows[voucherOf.get(seq)];
    return row && row.label ? row.label : t("entry") + " " + seq;
  };
  const voucherLink = (seq) => voucherOf.has(seq)
    ? el("a", { href: "#v-" + seq }, voucherLabel(seq)) : el("span", null, t("entry") + " " + seq);
  const clauseLink = (name) => clauseOf.has(name) ? el("a", { href: "#c-" + clauseOf.get(name) }, name) : name;
  const estateLabel = (id) => {
    const row = DATA.estates[estateOf.get(id)];
    return row && row.name && row.name !== id ? row.name + " (" + id + ")" : id;
  };
  const estateLink = (id) => estateOf.has(id)
    ? el("a", { href: "#e-" + estateOf.get(id) }, estateLabel(id)) : el("span", null, id);

  function pager(total, page, size, turn) {
    const first = total ? page * size + 1 : 0, last = Math.min(total, (page + 1) * size);
    return el("div", { class: "pager", role: "status" },
      el("span", { class: "shown" }, total ? t("shown", count(total), count(first), count(last)) : t("shown_none")),
      total > size && el("button", { type: "button", disabled: page === 0, on: { click: () => turn(page - 1) } }, t("earlier")),
      total > size && el("button", { type: "button", class: "later", disabled: last >= total,
        on: { click: () => turn(page + 1) } }, t("later")));
  }

  function later(run, wait) {
    let timer = 0;
    return () => { clearTimeout(timer); timer = setTimeout(run, wait); };
  }

  // --- head, coverage, verdict ---

  function drawTop() {
    document.documentElement.lang = state.lang === "zh" ? "zh-CN" : "en";
    document.title = t("title") + " · " + DATA.origin;
    fill("top",
      el("div", { class: "bar" },
        el("div", null, el("h1", null, t("title")),
          el("div", { class: "meta" },
            el("span", null, t("made_for") + " ", el("b", null, DATA.origin)),
            DATA.case && el("span", null, t("case") + " ", el("b", null, DATA.case)),
            el("span", null, t("as_of") + " ", el("b", null, DATA.as_of)),
            el("span", null, t("entries") + " ", el("b", null, count(DATA.receipt.entries))))),
        el("div", { class: "tools" },
          el("button", { type: "button", id: "language", on: { click: () => speak(state.lang === "zh" ? "en" : "zh") } },
            t("language")),
          el("button", { type: "button", on: { click: () => window.print() } }, t("print")))),
      el("nav", { "aria-label": t("contents") },
        ["coverage", "verdict", "findings", "funds", "bank", "way", "estates", "vouchers", "clauses", "checks", "receipt"]
          .filter((name) => name !== "bank" || DATA.bank.length).map((name) => el("a", { href: "#" + name }, t(name)))));
    fill("foot", el("p", null, t("offline")));
  }

  const covered = (row) => (state.lang === "zh" && row.zh) || row.rule || row.what;
  const asked = (row) => row.rule && !(state.lang === "zh" && row.zh) ? row.rule + ": " + row.what : covered(row);

  function drawCoverage() {
    const gaps = new Map(), open = DATA.coverage.filter((row) => !row.complete);
    for (const row of open) {
      const why = said(row, "note") || count(row.checked) + " / " + count(row.of);
      gaps.set(why, [...(gaps.get(why) || []), covered(row)]);
    }
    fill("coverage", el("h2", null, t("coverage")),
      el("p", null, t("coverage_full", count(DATA.coverage.length), count(DATA.coverage.length - open.length)), " ",
        el("a", { href: "#checks" }, t("checks"))),
      open.length > 0 && el("div", { class: "gap" }, el("p", null, t("coverage_gaps", count(open.length))),
        el("ul", null, [...gaps].map(([why, names]) => el("li", null, names.join(state.lang === "zh" ? "、" : ", "),
          el("span", { class: "soft" }, " — " + why))))));
  }

  function drawChecks() {
    fill("checks", el("h2", null, t("checks")),
      table([t("what"), t("checked"), t("of"), t("status"), t("note")], DATA.coverage.map((row) => [asked(row),
        count(row.checked), count(row.of), t(row.complete ? "complete" : "partial"), said(row, "note")]), [1, 2]));
  }

  function drawVerdict() {
    fill("verdict", el("h2", null, t("verdict")),
      el("div", { class: "box " + DATA.standing }, DATA.verdict[state.lang]));
  }

  // --- findings ---

  const hay = DATA.findings.map((f) => [f.rule, (DATA.rules[f.rule] || {}).zh, f.what, f.what_zh, f.where, f.got, f.wanted,
    f.clear, f.clause, f.estate, estateLabel(f.estate), yuan(f.fen)].join("\n").toLowerCase());

  function matching() {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let n = 0; n < DATA.findings.length; n++) {
      const f = DATA.findings[n];
      if (state.severity && f.severity !== state.severity) continue;
      if (state.rule && f.rule !== state.rule) continue;
      if (state.fund && !f.funds.includes(state.fund)) continue;
      if (state.estate && f.estate !== state.estate) continue;
      if (!words.every((word) => hay[n].includes(word))) continue;
      found.push(n);
    }
    return found;
  }

  function choice(name, label, values, shown) {
    const select = el("select", { id: "f-" + name, on: { change: (event) => choose(name, event.target.value) } },
      el("option", { value: "" }, t("any")), values.map((value) => el("option", { value }, shown(value))));
    select.value = state[name];
    return el("label", null, label, select);
  }

  function choose(name, value) {
    state[name] = value;
    state.page = 0;
    const select = byId("f-" + name);
    if (select && select.value !== value) select.value = value;
    drawList();
  }

  const distinct = (values) => [...new Set(values)].filter(Boolean).sort();

  function drawFindings() {
    if (!DATA.findings.length) {
      fill("findings", el("h2", null, t("findings")), el("p", null, t("no_findings")));
      return;
    }
    const sums = new Map();
    for (const f of DATA.findings) {
      const row = sums.get(f.rule) || { rule: f.rule, severity: f.severity, number: 0, fen: 0n };
      row.number += 1;
      row.fen += BigInt(f.fen);
      sums.set(f.rule, row);
    }
    const rows = [...sums.values()].sort((a, b) => (a.severity > b.severity) - (a.severity < b.severity) || b.number - a.number);
    const search = el("input", { id: "f-text", type: "search", value: state.text, autocomplete: "off" });
    search.addEventListener("input", later(() => choose("text", search.value), 60));
    fill("findings", el("h2", null, t("findings")), el("h3", null, t("by_rule")),
      table([t("rule"), t("severity"), t("number"), t("amount")], rows.map((row) => [
        el("a", { href: "#findings", title: DATA.rules[row.rule].en, on: { click: () => choose("rule", row.rule) } },
          ruleName(row.rule)),
        el("span", { class: "mark " + row.severity }, t(row.severity)), count(row.number), row.fen ? yuan(row.fen) : ""]), [2, 3], true),
      el("div", { class: "filters", role: "search" },
        choice("severity", t("severity"), ["error", "warning"], t),
        choice("rule", t("rule"), distinct(DATA.findings.map((f) => f.rule)), ruleName),
        choice("fund", t("fund"), distinct(DATA.findings.flatMap((f) => f.funds)), String),
        choice("estate", t("estate"), distinct(DATA.findings.map((f) => f.estate)), estateLabel),
        el("label", null, t("search"), search),
        el("div", { class: "end" }, el("button", { type: "button", id: "f-reset", on: { click: reset } }, t("reset")))),
      el("div", { id: "list" }));
    drawList();
  }

  function reset() {
    for (const name of ["severity", "rule", "fund", "estate", "text"]) state[name] = "";
    state.page = 0;
    drawFindings();
  }

  function drawList() {
    const began = performance.now(), found = matching();
    const size = state.printing ? PRINTED : PER_PAGE;
    const page = state.printing ? 0 : state.page;
    const rows = found.slice(page * size, (page + 1) * size).map((n) => findingRow(DATA.findings[n]));
    const turn = (to) => { state.page = to; drawList(); byId("list").scrollIntoView(); };
    fill("list", pager(found.length, page, size, turn), ...rows,
      state.printing && found.length > size && el("p", { class: "soft" }, t("printed_part", size, count(found.length - size))),
      found.length > size && !state.printing && pager(found.length, page, size, turn));
    byId("list").dataset.ms = String(Math.round(performance.now() - began));
    byId("list").dataset.found = String(found.length);
  }

  function findingRow(f) {
    const named = [["where", f.where], ["got", said(f, "got")], ["wanted", said(f, "wanted")], ["clears", said(f, "clear")],
      ["estate", f.estate && estateLink(f.estate)], ["clause", f.clause && clauseLink(f.clause)]];
    return el("article", { class: "finding" },
      el("div", null, el("span", { class: "mark " + f.severity }, t(f.severity)), el("div", null, ruleName(f.rule))),
      el("div", null, el("div", { class: "what" }, said(f, "what")),
        el("dl", null, named.filter(([, value]) => value).map(([name, value]) => [el("dt", null, t(name)), el("dd", null, value)]))),
      el("div", { class: "side" }, f.fen ? el("div", { class: "num" }, yuan(f.fen)) : null,
        el("div", { class: "links" }, f.entries.slice(0, 12).map(voucherLink),
          f.entries.length > 12 ? el("span", null, " +" + count(f.entries.length - 12)) : null)));
  }

  // --- charts ---

  function chart(id, options) {
    const place = byId(id);
    const made = echarts.init(place, null, { renderer: "svg", width: place.clientWidth, height: place.clientHeight });
    made.setOption({ animation: false, textStyle: { fontFamily: FONT }, ...options });
    charts.push(made);
    return made;
  }

  const tip = (...lines) => el("div", { class: "tip" }, lines.map((line) => el("div", null, line)));
  const short = (number) => Math.abs(number) >= 1e8 ? number / 1e8 + (state.lang === "zh" ? "亿" : "00m")
    : Math.abs(number) >= 1e4 ? (state.lang === "zh" ? number / 1e4 + "万" : number / 1e3 + "k") : String(number);

  function drawFunds() {
    const funds = DATA.funds;
    const select = el("select", { id: "line", on: { change: (event) => { state.line = event.target.value; redrawCharts(); } } },
      el("option", { value: "" }, t("funds_all")), funds.lines.map((line) => el("option", { value: line.fund }, line.fund)));
    select.value = state.line;
    const row = (held) => [el("span", null, held[0], held[1] && el("div", { class: "soft" }, held[1])), ...held.slice(2).map(yuan)];
    const columns = [t("fund"), t("received"), t("paid"), t("cash"), t("encumbered"), t("available")];
    list("funds", funds.balances, (held) => held[0] + " " + held[1], "balance",
      (numbers) => table(columns, numbers.map((n) => row(funds.balances[n])), [1, 2, 3, 4, 5]),
      [el("p", { class: "noprint" }, select), funds.grouped && el("p", { class: "soft" }, t("grouped")),
        el("p", { id: "line-name", class: "soft printonly" }),
        el("div", { class: "chart", id: "line-chart", role: "img", "aria-label": t("funds") }),
        el("details", null, el("summary", null, t("monthly")), el("div", { id: "monthly" }))]);
  }

  function drawLine() {
    const funds = DATA.funds, own = funds.lines.find((line) => line.fund === state.line);
    const series = own ? own.series : funds.total, names = ["cash", "available", "encumbered"];
    byId("line-name").textContent = own ? own.fund : t("funds_all");
    byId("monthly").replaceChildren(table([t("month"), ...names.map((name) => t(name))],
      funds.months.map((month, n) => [month, ...series[n].map(yuan)]), [1, 2, 3]));
    chart("line-chart", {
      color: ["#24507a", "#4b7f52", "#b07a2a"],
      legend: { top: 0, data: names.map((name) => t(name)) },
      grid: { left: 8, right: 16, top: 36, bottom: 8, containLabel: true },
      tooltip: { trigger: "axis", confine: true,
        formatter: (points) => tip(points[0].axisValue, ...points.map((p) => p.seriesName + " " + yuan(series[p.dataIndex][p.seriesIndex]))) },
      xAxis: { type: "category", data: funds.months, boundaryGap: false },
      yAxis: { type: "value", axisLabel: { formatter: short } },
      series: names.map((name, k) => ({ name: t(name), type: "line", step: "end", showSymbol: funds.months.length < 2,
        lineStyle: { type: ["solid", "dashed", "dotted"][k], width: 2 },
        data: series.map((ends) => Number(ends[k]) / 100) })),
    });
  }

  /* Bank reconciliation statements: both balances, and what one side has alone, until they meet. */
  function drawBank() {
    const strong = (key, fen) => [el("b", null, t(key)), "", el("b", null, yuan(fen))];
    const alone = (key, items) => items.map(([day, what, fen]) => [t(key), day + " " + what, yuan(fen)]);
    const parts = DATA.bank.map((one) => [el("h3", null, one.accounts.join(", ") + " · " + one.on),
      table([t("what"), t("note"), t("amount")], [strong("bank_fen", one.bank_fen), ...alone("books_only", one.books_only),
        strong("bank_adjusted_fen", one.bank_adjusted_fen), strong("books_fen", one.books_fen),
        ...alone("bank_only", one.bank_only), strong("books_adjusted_fen", one.books_adjusted_fen),
        strong("difference_fen", one.difference_fen)], [2]),
      one.more > 0 && el("p", { class: "soft" }, t("bank_more", count(one.more)))]);
    fill("bank", parts.length > 0 && el("h2", null, t("bank")), parts);
  }

  function placeLabel(node) {
    if (!node.name) return t("rest", count(node.many));
    const name = node.many > 1 ? t("many", node.name, count(node.many)) : node.name;
    return node.kind === "left" || node.kind === "back" ? t(node.kind, name) : name;
  }

  /* For a label: whose fund it is comes first, as it is what tells two apart. */
  function placeShort(node) {
    const parts = node.name.split("/");
    const holder = parts.length > 2 && node.kind !== "source" ? parts.slice(2).join("/") + " · " + parts[0] : node.name;
    return placeLabel({ ...node, name: holder });
  }

  function drawWay() {
    const ways = DATA.ways[state.by];
    if (!ways || !ways.links.length) {
      fill("way", el("h2", null, t("way")), el("p", null, ways ? t("way_none") : t("way_untraced") + DATA.ways.untraced));
      return;
    }
    const select = el("select", { id: "by", on: { change: (event) => { state.by = event.target.value; drawWay(); redrawCharts(); } } },
      ["purpose", "payee"].map((by) => el("option", { value: by }, t(by))));
    select.value = state.by;
    fill("way", el("h2", null, t("way")), el("p", { class: "noprint" }, t("way_by") + " ", select),
      el("p", { id: "totals" }, t("way_total", ...ways.totals.map(yuan))),
      el("div", { class: "chart tall", id: "way-chart", role: "img", "aria-label": t("way") }),
      el("details", { open: state.printing }, el("summary", null, t("way_table")),
        table([t("from"), t("to"), t("amount")], ways.links.map(([from, to, fen]) =>
          [placeLabel(ways.nodes[from]), placeLabel(ways.nodes[to]), yuan(fen)]), [2])));
  }

  function drawSankey() {
    const ways = DATA.ways[state.by], place = byId("way-chart");
    if (!place) return;
    const room = place.clientWidth, narrow = room < 560;
    const gives = new Set(ways.links.map((link) => link[0])), takes = new Set(ways.links.map((link) => link[1]));
    const ends = ways.nodes.filter((node, n) => !gives.has(n)).length, starts = ways.nodes.filter((node, n) => !takes.has(n)).length;
    const gap = narrow ? 18 : 30, depth = ways.nodes.map(() => 0);
    for (let moved = true; moved;) { // the ways have no circles
      moved = false;
      for (const [from, to] of ways.links) if (depth[to] <= depth[from]) { depth[to] = depth[from] + 1; moved = true; }
    }
    const right = narrow ? 92 : Math.min(210, Math.round(room / 4)), steps = Math.max(1, ...depth);
    const wide = Math.max(40, Math.min(200, Math.round((room - right) / steps) - 22, right - 14));
    place.style.height = 320 + Math.max(ends, starts) * gap + "px";
    chart("way-chart", {
      tooltip: { trigger: "item", confine: true, formatter: (p) => p.dataType === "edge"
        ? tip(placeLabel(ways.nodes[Number(p.data.source)]) + " → " + placeLabel(ways.nodes[Number(p.data.target)]), yuan(p.data.fen))
        : tip(placeLabel(ways.nodes[Number(p.name)]), yuan(ways.nodes[Number(p.name)].fen)) },
      series: [{
        type: "sankey", left: 4, top: 10, bottom: 22, right, nodeWidth: 12, nodeGap: gap, draggable: false,
        nodeAlign: "justify", layoutIterations: 48, emphasis: { focus: "adjacency" },
        lineStyle: { color: "source", opacity: 0.28, curveness: 0.5 },
        labelLayout: { moveOverlap: "shiftY" },
        label: { fontSize: narrow ? 10 : 12, width: wide, overflow: "truncate", ellipsis: "…",
          lineHeight: narrow ? 12 : 15, color: "#1d2329", formatter: (p) => {
            const node = ways.nodes[Number(p.name)];
            return placeShort(node) + (narrow ? "" : "\n" + yuan(node.fen));
          } },
        data: ways.nodes.map((node, n) => ({ name: String(n), itemStyle: { color: COLORS[node.kind] } })),
        links: ways.links.map(([from, to, fen]) => ({ source: String(from), target: String(to), value: Number(fen), fen })),
      }],
    });
  }

  function redrawCharts() {
    for (const made of charts) made.dispose();
    charts = [];
    drawLine();
    drawSankey();
  }

  // --- estates, vouchers, clauses ---

  /* A list in pages, with a search; `draw` makes what is shown of the rows that are left, with their numbers. */
  function list(id, rows, text, key, draw, before, after) {
    const input = el("input", { id: id + "-text", type: "search", value: state[key + "Text"], "aria-label": t("search"),
      placeholder: t("search"), autocomplete: "off" });
    input.addEventListener("input", later(() => { state[key + "Text"] = input.value; state[key + "Page"] = 0; show(); }, 60));
    const place = el("div", { id: id + "-list" });
    function show() {
      const word = state[key + "Text"].toLowerCase(), found = [];
      for (let n = 0; n < rows.length; n++) if (!word || text(rows[n]).toLowerCase().includes(word)) found.push(n);
      const size = state.printing ? PRINTED_OTHERS : PER_PAGE, page = state.printing ? 0 : state[key + "Page"];
      const turn = (to) => { state[key + "Page"] = to; show(); place.scrollIntoView(); };
      const left = state.printing && found.length > size;
      place.replaceChildren(...[rows.length > size && !left && pager(found.length, page, size, turn),
        draw(found.slice(page * size, (page + 1) * size)),
        left && el("p", { class: "soft" }, t("printed_part", size, count(found.length - size)))].flat().filter(Boolean));
    }
    fill(id, el("h2", null, t(id)), before, rows.length > 8 && el("p", { class: "noprint" }, input), place, after);
    show();
  }

  function item(id, classes, line, open, opened, content) {
    const node = el("div", { class: "item " + classes, id });
    const toggle = () => {
      if (open.has(opened)) open.delete(opened); else open.add(opened);
      shown();
    };
    const head = el("div", { class: "line", role: "button", tabindex: "0", on: {
      click: (event) => { if (!event.target.closest("a")) toggle(); },
      keydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); } } } }, line);
    function shown() {
      head.setAttribute("aria-expanded", String(open.has(opened)));
      node.replaceChildren(head, ...(open.has(opened) ? [el("div", { class: "open" }, content())] : []));
    }
    shown();
    return node;
  }

  function drawEstates() {
    if (!DATA.estates.length) {
      fill("estates", el("h2", null, t("estates")), el("p", { class: "soft" }, t("estates_none")));
      return;
    }
    const line = (row) => [
      el("span", null, el("b", null, row.name), " ", el("span", { class: "soft" }, [row.id, ...row.units].join(" · "))),
      el("span", { class: "num" }, t("owed") + " ", yuan(row.owed)), el("span", { class: "num" }, t("paid_claims") + " ", yuan(row.paid)),
      el("span", { class: "num" }, t("findings") + " " + count(row.findings))];
    const content = (row) => [
      row.findings > 0 && el("p", null, el("a", { href: "#findings", on: { click: () => choose("estate", row.id) } }, t("show_findings"))),
      table([t("provision"), t("period"), t("status"), t("owed"), t("paid_claims"), t("decided"), t("clause")],
        row.claims.map((c) => [c[0], [c[1], c[2]].filter(Boolean).join("  "), t(c[3]), yuan(c[4]), yuan(c[5]), c[6], clauseLink(c[7])]), [3, 4])];
    list("estates", DATA.estates, (row) => [row.id, row.name, ...row.units].join(" "), "estate", (numbers) => numbers.map((n) =>
      item("e-" + n, "estate", line(DATA.estates[n]), state.estateOpen, n, () => content(DATA.estates[n]))));
  }

  function kindName(kind) {
    return state.lang === "zh" ? DATA.kinds[kind] || kind : kind;
  }

  function drawVouchers() {
    const held = DATA.vouchers;
    const line = (row) => [el("span", null, row.label || t("entry") + " " + row.seq), el("span", { class: "soft" }, row.day),
      el("span", null, row.narrative, " ", el("span", { class: "soft" }, kindName(row.kind) + (row.payee ? " · " + row.payee : ""))),
      el("span", { class: "num" }, row.fen ? yuan(row.fen) : "")];
    const content = (row) => {
      const account = (l) => (state.lang === "zh" ? DATA.accounts[l[1]] || l[1] : l[1]) + (l[2] ? " (" + l[2] + ")" : "");
      const facts = [["entry", String(row.seq)], ["recorded", row.recorded], ["purpose", row.purpose], ["payee", row.payee],
        ["maker", row.maker], ["approver", row.approver], ["clause", row.clause && clauseLink(row.clause)],
        ["evidence", row.evidence.map(([kind, digest]) => kind + " " + digest).join(", ")]];
      return [el("p", { class: "meta" }, facts.filter(([, v]) => v).map(([name, v]) => el("span", null, t(name) + " ", v))),
        row.lines.length > 0 && table([t("fund"), t("account"), t("debit"), t("credit")],
          row.lines.map((l) => [l[0], account(l), yuan(l[3]), yuan(l[4])]), [2, 3]),
        row.parts.length > 0 && el("h3", null, t("sources")),
        row.parts.length > 0 && table([t("from"), t("receipt_entry"), t("fund"), t("amount")],
          row.parts.map((p) => [p[1], voucherLink(p[2]), p[3], yuan(p[0])]), [3]),
        row.parts_of > row.parts.length && el("p", { class: "soft" }, "+" + count(row.parts_of - row.parts.length))];
    };
    list("vouchers", held.rows, (row) => [row.seq, row.label, row.day, row.narrative, row.payee, row.kind].join(" "), "voucher",
      (numbers) => numbers.map((n) => held.rows[n]).map((row) =>
        item("v-" + row.seq, "voucher", line(row), state.voucherOpen, row.seq, () => content(row))),
      held.listed < held.of && el("p", { class: "soft" }, t("vouchers_part", count(held.of), count(held.listed))));
  }

  function drawClauses() {
    const shown = (row, n) => el("div", { class: "item clause", id: "c-" + n }, el("b", null, row.name), " ",
      row.number && el("span", { class: "soft" }, row.number + " " + row.title + " " + row.clause),
      row.text ? el("div", null, row.text) : el("span", { class: "soft" }, t("clause_unquoted")));
    list("clauses", DATA.clauses, (row) => [row.name, row.title, row.text].join(" "), "clause",
      (numbers) => numbers.map((n) => shown(DATA.clauses[n], n)));
  }

  function drawReceipt() {
    const r = DATA.receipt, digest = (text) => el("span", { class: "digest" }, text);
    fill("receipt", el("h2", null, t("receipt")), table([t("what"), ""], [
      [t("program"), r.program], [t("page_format"), String(DATA.format)], [t("entries"), count(r.entries)], [t("head"), digest(r.head)],
      [t("report_digest"), digest("sha256 " + r.report_sha256)], [t("page_digest"), digest("sha256 " + r.data_sha256)],
      ...r.policies.map(([id, number, sha]) => [t("policy") + " " + id + " " + number, digest("sha256 " + sha)]),
      ...(r.registry_sha256 ? [[t("registry"), digest("sha256 " + r.registry_sha256)]] : []),
      [t("library") + " " + r.library, digest("sha256 " + r.library_sha256)],
    ]));
  }

  // --- where to ---

  /* Bring what a link names into its list, open it, and show it. */
  function follow() {
    const [, kind, name] = /^#([vce])-(\d+)$/.exec(location.hash) || [];
    if (!kind) return;
    const number = Number(name);
    if (kind === "v" && voucherOf.has(number)) {
      state.voucherText = "";
      state.voucherPage = Math.floor(voucherOf.get(number) / PER_PAGE);
      state.voucherOpen.add(number);
      drawVouchers();
    } else if (kind === "e" && number < DATA.estates.length) {
      state.estateText = "";
      state.estatePage = Math.floor(number / PER_PAGE);
      state.estateOpen.add(number);
      drawEstates();
    } else if (kind === "c" && number < DATA.clauses.length) {
      state.clauseText = "";
      state.clausePage = Math.floor(number / PER_PAGE);
      drawClauses();
    }
    const found = byId(location.hash.slice(1));
    for (const old of document.querySelectorAll(".here")) old.classList.remove("here");
    if (found) {
      found.classList.add("here");
      found.scrollIntoView({ block: "center" });
    }
  }

  function speak(lang) {
    state.lang = lang;
    draw();
  }

  function draw() {
    drawTop();
    drawCoverage();
    drawVerdict();
    drawFindings();
    drawFunds();
    drawBank();
    drawWay();
    drawEstates();
    drawVouchers();
    drawClauses();
    drawChecks();
    drawReceipt();
    redrawCharts();
    document.body.dataset.drawn = state.lang;
  }

  function printing(now) {
    state.printing = now;
    document.body.classList.toggle("printing", now);
    draw();
  }

  draw();
  follow();
  window.addEventListener("hashchange", follow);
  window.addEventListener("resize", later(redrawCharts, 150));
  window.addEventListener("beforeprint", () => printing(true));
  window.addEventListener("afterprint", () => printing(false));
})();
