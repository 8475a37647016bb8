// Mounts the explorers of a page: the widgets' own JavaScript on a model that needs no kernel. The setting of an
// explorer is in the page's address, #explorer=NAME&CONTROL=VALUE..., for every control that is not where it began.
// Classic script: browsers refuse modules on pages that are opened from a file.

(() => {
  const here = document.currentScript.src;
  // Between a change and the address that has it, and longer than a step of a battle that plays: browsers limit how often
  // an address may change.
  const QUIET_MS = 400;
  let read = ""; // the address that the explorers follow

  // --- the controls of each explorer: how a value is written in an address, and read from one that anybody may have made
  const integer = (text, n) => (/^\d{1,6}$/.test(text) && Number(text) < n ? Number(text) : undefined);
  const decimal = (text) => (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined);
  const known = (values) => (values.includes(undefined) ? undefined : values);
  const payoff = (text) => {
    const value = decimal(text), size = Math.abs(value);
    return value === 0 || (size >= 1e-9 && size <= 1e9) ? value + 0 : undefined; // as in tables.py
  };
  const fits = (m) => m >= 2 && m <= 4;
  const table = {
    write: (rows) => rows.map((row) => row.join()).join(";"),
    read: (text) => {
      const rows = text.split(";").slice(0, 5).map((row) => known(row.split(",").slice(0, 5).map(payoff)));
      return known(rows) && fits(rows.length) && fits(rows[0].length) && rows.every((r) => r.length === rows[0].length) ? rows : undefined;
    },
  };
  const epsilon = {
    write: String,
    read: (text) => {
      const value = decimal(text);
      return value >= 0.05 && value <= 1 ? value : undefined;
    },
  };
  const pair = (limit) => ({
    write: (values) => values.join(),
    read: (text) => {
      const values = text.split(",").slice(0, 3).map((part) => integer(part, limit));
      return values.length === 2 ? known(values) : undefined;
    },
  });
  const index = (count) => ({ write: String, read: (text, model) => integer(text, count(model)) });
  const oneOf = (names) => ({ write: String, read: (text, model) => names(model).find((name) => name === text) });
  const different = (count) => ({
    write: String,
    read: (text, model) => {
      const n = count(model), both = pair(n).read(text);
      return both && (both[0] !== both[1] || n === 1) ? both : undefined;
    },
  });
  const solutions = pair(1000);
  const shown = {
    write: ({ supermodular, monotone }) => solutions.write([supermodular, monotone]),
    read: (text) => {
      const both = solutions.read(text);
      return both && { supermodular: both[0], monotone: both[1] };
    },
  };
  const CONTROLS = {
    payoff: { payoff: table, epsilon, centre: pair(4), shown },
    ladder: { payoff: table },
    landscape: {
      state: index((model) => model.get("state_names").length),
      constraint: oneOf(() => ["abs", "softplus", "none"]),
    },
    learning: {
      learner: oneOf((model) => model.get("data").learners.map(({ name }) => name)),
      snapshot: index((model) => model.get("data").snapshots.length),
      view: oneOf(() => ["all runs", "one run"]),
      run: index((model) => model.get("data").learners[0].shown.length),
    },
    battle_viewer: {
      episode: index((model) => model.get("record").episodes.length),
      step: index((model) => model.get("record").episodes[model.get("episode")].reward.length + 1),
      agents: different((model) => model.get("record").n_agents),
    },
    training: { at: { write: String, read: (text, model) => (text === "-1" ? -1 : integer(text, model.get("log").env_steps.length)) } },
  };

  // --- the address
  function written(explorer) {
    const { name, kind, model, start } = explorer;
    const parts = Object.entries(CONTROLS[kind]).flatMap(([control, { write }]) => {
      const value = write(model.get(control));
      return value === start[control] ? [] : [`${control}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3B", ";")}`];
    });
    return `#${[`explorer=${encodeURIComponent(name)}`, ...parts].join("&")}`;
  }

  // The values of all controls, as an address sets them or where they began, or the sentence that says what is wrong.
  function readAddress(parts, { kind, model, start }) {
    const values = {}, asked = { get: (name) => (Object.hasOwn(values, name) ? values[name] : model.get(name)) };
    for (const [control, text] of Object.entries({ ...start, ...Object.fromEntries(parts) })) {
      const value = Object.hasOwn(CONTROLS[kind], control) ? CONTROLS[kind][control].read(text, asked) : undefined;
      if (value === undefined) {
        const told = `${control}=${text}`;
        return { wrong: `The address asks for “${told.length > 60 ? `${told.slice(0, 60)}…` : told}”, which this explorer cannot show, so it is ignored.` };
      }
      values[control] = value;
    }
    return { values };
  }

  function restore(explorers) {
    read = location.hash;
    for (const { message } of explorers) message.textContent = "";
    if (!location.hash.startsWith("#explorer=")) return;
    const [[, name], ...parts] = new URLSearchParams(location.hash.slice(1));
    const explorer = explorers.find((each) => each.name === name);
    if (!explorer) {
      explorers[0].message.textContent = `The address asks for an explorer “${name.slice(0, 30)}”, which this page does not have, so it is ignored.`;
      return;
    }
    const { values, wrong } = readAddress(parts, explorer);
    explorer.node.scrollIntoView();
    if (wrong) explorer.message.textContent = wrong;
    else for (const [control, value] of Object.entries(values)) explorer.model.set(control, value);
  }

  // --- the page
  function makeModel(values, changed) {
    const heard = {};
    return {
      get: (name) => values[name],
      set: (name, value) => {
        values[name] = value;
        for (const f of [...(heard[`change:${name}`] || [])]) f();
        changed();
      },
      on: (event, f) => (heard[event] ||= []).push(f),
      off: (event, f) => (heard[event] = (heard[event] || []).filter((g) => g !== f)),
      save_changes: () => {},
    };
  }

  function load(tag, attributes) {
    return new Promise((resolve, reject) => {
      const node = Object.assign(document.createElement(tag), attributes);
      node.onload = resolve;
      node.onerror = () => reject(new Error(`${node.src || node.href} is missing: build the site again.`));
      document.head.append(node);
    });
  }
  const file = (name) => new URL(`explorers/${name}`, here).href;

  // The page holds each explorer's state as JSON, packed by gzip, in base64.
  function unpacked(node) {
    const bytes = Uint8Array.from(atob(node.querySelector("script").textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }

  function mount(node, values) {
    const { explorer: kind, name } = node.dataset;
    const message = Object.assign(document.createElement("p"), { className: "address" });
    message.setAttribute("role", "status");
    node.replaceChildren(message);
    const explorer = { kind, name, node, message };
    let timer = null;
    explorer.model = makeModel(values, () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const address = written(explorer);
        const asked = new URLSearchParams(location.hash.slice(1)).get("explorer");
        if (location.hash !== read) return; // somebody asks for something else: that comes next
        if (read !== address && (asked === name || explorer.touched)) history.replaceState(null, "", address);
        read = location.hash;
      }, QUIET_MS);
    });
    for (const event of ["pointerdown", "keydown", "input"]) {
      node.addEventListener(event, () => {
        explorer.touched = true;
        message.textContent = "";
      }, true);
    }
    const controls = Object.keys(CONTROLS[kind]);
    explorer.start = Object.fromEntries(controls.map((control) => [control, CONTROLS[kind][control].write(values[control])]));
    window.qmixExplorers[kind].render({ model: explorer.model, el: node });
    return explorer;
  }

  async function mountAll() {
    const nodes = [...document.querySelectorAll(".qmix-mount")], kinds = [...new Set(nodes.map((n) => n.dataset.explorer))];
    if (!nodes.length) return;
    await Promise.all(kinds.flatMap((kind) => [
      load("link", { rel: "stylesheet", href: file(`${kind}.css`) }), load("script", { src: file(`${kind}.js`) }),
    ]));
    const states = await Promise.all(nodes.map(unpacked)), explorers = nodes.map((node, i) => mount(node, states[i]));
    restore(explorers);
    window.addEventListener("hashchange", () => restore(explorers));
    document.documentElement.dataset.explorers = "ready";
  }
  mountAll();
})();
