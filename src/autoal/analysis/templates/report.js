"use strict";
// Turns the embedded data into tables and Plotly charts. What is shown, and every number, was decided in Python.
(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const pending = new WeakMap();

  function element(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function theme(layout) {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim();
    const soft = style.getPropertyValue("--soft").trim();
    const line = style.getPropertyValue("--line").trim();
    const paper = style.getPropertyValue("--paper").trim();
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true };
    return {
      margin: { l: 70, r: 20, t: 34, b: 56 },
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, family: getComputedStyle(document.body).fontFamily, size: 13 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
      legend: { traceorder: "normal", ...layout.legend },
      hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink } },
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    };
  }

  function draw(box) {
    const figure = pending.get(box);
    // The buttons are named one by one, because Plotly's default ones include an upload.
    const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
    Plotly.newPlot(box, figure.data, theme(figure.layout), config).then(() => box.setAttribute("data-drawn", "true"));
  }

  // Charts are drawn when they come near the screen, so that a page with many opens at once.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px" });

  function chart(item) {
    const box = element("div", "chart");
    box.id = item.id;
    box.style.height = `${item.figure.layout.height}px`;
    const meta = item.figure.layout.meta;
    if (meta && meta.maxWidth) box.style.maxWidth = `${meta.maxWidth}px`;
    pending.set(box, item.figure);
    watcher.observe(box);
    return box;
  }

  function seedSwitch(item) {
    const button = element("button", "switch", "Show every seed");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const box = document.getElementById(item.chart);
      if (!box || !box.data) return;
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      // A strategy that the legend hides stays hidden.
      const shown = new Map(box.data.filter((t) => t.meta === "mean").map((t) => [t.legendgroup, t.visible ?? true]));
      const at = (meta) => box.data.flatMap((t, i) => (t.meta === meta ? [i] : []));
      const follow = (indices) => indices.map((i) => shown.get(box.data[i].legendgroup));
      const seeds = at("seeds"), bands = at("band");
      const visible = [...(on ? follow(seeds) : seeds.map(() => false)), ...(on ? bands.map(() => false) : follow(bands))];
      Plotly.restyle(box, { visible }, [...seeds, ...bands]);
    });
    return button;
  }

  function cellParts(cell) {
    return Array.isArray(cell) ? cell : [cell, cell];
  }

  function table(item) {
    const scroll = element("div", "scroll");
    const node = element("table", "sortable");
    if (item.id) node.id = item.id;
    const head = node.createTHead().insertRow();
    const body = node.createTBody();
    const numeric = item.columns.map((column) => column.kind !== "text");
    const rows = item.rows.map((cells) => {
      const row = body.insertRow();
      cells.forEach((cell, i) => {
        const td = row.insertCell();
        td.textContent = cellParts(cell)[1];
        if (numeric[i]) td.className = "num";
        else if (String(td.textContent).length > 44) td.className = "wide";
      });
      return { row, cells };
    });
    item.columns.forEach((column, i) => {
      const th = element("th", numeric[i] ? "num" : "");
      th.scope = "col";
      const button = element("button", "", column.label);
      button.type = "button";
      if (column.hint) button.title = column.hint;
      button.addEventListener("click", () => {
        const down = th.getAttribute("aria-sort") === "ascending" || (numeric[i] && !th.hasAttribute("aria-sort"));
        head.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sign = down ? -1 : 1;
        rows.sort((a, b) => {
          const x = cellParts(a.cells[i])[0], y = cellParts(b.cells[i])[0];
          if (x === null || y === null) return (x === null) - (y === null);
          return sign * (numeric[i] ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true }));
        });
        body.append(...rows.map((entry) => entry.row));
      });
      th.append(button);
      head.append(th);
    });
    scroll.append(node);
    return scroll;
  }

  function choice(item) {
    const wrap = element("div");
    const select = element("select");
    const place = element("div");
    select.setAttribute("aria-label", item.label);
    item.options.forEach((option, i) => select.add(new Option(option.label, String(i))));
    const show = () => place.replaceChildren(...item.options[Number(select.value)].items.map(render));
    select.addEventListener("change", show);
    show();
    if (item.options.length > 1) wrap.append(select);
    wrap.append(place);
    return wrap;
  }

  function folded(item) {
    const details = element("details");
    details.append(element("summary", "", item.label));
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(...item.items.map(render));
    });
    return details;
  }

  function picture(item) {
    const box = element("div", "picture");
    box.id = item.id;
    const parsed = new DOMParser().parseFromString(item.svg, "image/svg+xml");
    box.append(document.importNode(parsed.documentElement, true));
    return box;
  }

  function pictures(item) {
    const box = element("figure", "pictures");
    box.append(element("figcaption", "", item.label));
    for (const { src, title } of item.pictures) {
      const image = element("img");
      Object.assign(image, { src, title, alt: title, loading: "lazy" });
      box.append(image);
    }
    return box;
  }

  // Where a mean curve first reaches an accuracy, between two sizes on a straight line; null: never.
  function labelsFor({ sizes, acc }, wanted) {
    const i = acc.findIndex((a) => a >= wanted);
    if (i < 1) return i < 0 ? null : sizes[0];
    return sizes[i - 1] + (sizes[i] - sizes[i - 1]) * (wanted - acc[i - 1]) / (acc[i] - acc[i - 1]);
  }

  function reach(item) {
    const wrap = element("div", "reach");
    const label = element("label", "", "Mean test accuracy of at least ");
    const input = element("input");
    Object.assign(input, { type: "number", min: "0", max: "100", step: "0.1", value: String(item.start), id: item.id });
    const place = element("div");
    label.append(input, " %");
    const show = () => {
      const wanted = Number(input.value) / 100;
      const found = item.curves.map((curve) => [curve.name, labelsFor(curve, wanted)]);
      const number = new Intl.NumberFormat("en");
      const rows = found.map(([name, n]) => [name, n === null ? [null, "not reached"] : [n, number.format(Math.ceil(n))]]);
      rows.sort((a, b) => (a[1][0] ?? Infinity) - (b[1][0] ?? Infinity));
      const columns = [{ label: "Strategy", kind: "text" }, { label: "Labels", kind: "int" }];
      place.replaceChildren(table({ columns, rows, id: "reach-table" }));
    };
    input.addEventListener("input", show);
    show();
    wrap.append(label, place);
    return wrap;
  }

  function render(item) {
    switch (item.type) {
      case "pictures": return pictures(item);
      case "reach": return reach(item);
      case "chart": return chart(item);
      case "seeds": return seedSwitch(item);
      case "table": return table(item);
      case "choice": return choice(item);
      case "folded": return folded(item);
      case "picture": return picture(item);
      case "heading": return element("h3", "", item.text);
      case "text": return element("p", "intro", item.text);
      case "pre": return element("pre", "", item.text);
      default: return element("p", "note", item.text);
    }
  }

  function renderSections(place, title, sections) {
    const nodes = title && sections.length ? [element("p", "band-title", title)] : [];
    for (const section of sections) {
      const node = element("section", section.className || "");
      node.id = section.id;
      node.append(element("h2", "", section.title));
      if (section.intro) node.append(element("p", "intro", section.intro));
      node.append(...section.items.map(render));
      nodes.push(node);
    }
    for (const old of place.querySelectorAll(".chart")) {
      watcher.unobserve(old);
      if (old.data) Plotly.purge(old);
    }
    place.replaceChildren(...nodes);
  }

  const select = document.getElementById("setting");
  const links = document.getElementById("links");
  report.settings.forEach((setting, i) => select.add(new Option(setting.label, String(i))));

  function show() {
    const setting = report.settings[Number(select.value)];
    renderSections(document.getElementById("chosen"), setting.label, setting.sections);
    links.replaceChildren(...[...setting.sections, ...report.overall].map((section) => {
      const link = element("a", "", section.short);
      link.href = `#${section.id}`;
      return link;
    }));
  }

  select.addEventListener("change", show);
  dark.addEventListener("change", () => {
    for (const box of document.querySelectorAll(".chart[data-drawn]")) {
      const current = theme(pending.get(box).layout);
      Plotly.relayout(box, {
        font: current.font, hoverlabel: current.hoverlabel,
        "xaxis.gridcolor": current.xaxis.gridcolor, "yaxis.gridcolor": current.yaxis.gridcolor,
      });
    }
  });
  renderSections(document.getElementById("notices"), "", report.notices);
  renderSections(document.getElementById("overall"), "All settings", report.overall);
  show();
  document.documentElement.setAttribute("data-ready", "true");
})();
