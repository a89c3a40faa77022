// What the panel does beyond plain HTML: copying, keys, tokens, toasts, warnings about unsaved changes, the search.
// Everything works without it but these comforts. No inline handlers: data attributes say what an element wants.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

  // --- toasts: said once, gone after five seconds
  function toast(text, tone = "") {
    const box = document.createElement("div");
    box.className = `toast ${tone}`;
    const word = document.createElement("span");
    word.textContent = text;
    box.append(word);
    $("#toasts")?.append(box);
    leave(box);
  }
  function leave(box) {
    setTimeout(() => box.remove(), box.classList.contains("bad") ? 12000 : 5000);
  }
  all("#toasts .toast").forEach(leave);
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "toasts") leave(event.detail.target.lastElementChild);
  });

  // --- copying
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const from = button.dataset.copyFrom ? $(button.dataset.copyFrom) : null;
    const text = from ? from.textContent : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea"); // clipboards want https; this does not
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    toast(document.body.dataset.copied);
  });

  // --- menus close when one goes elsewhere
  document.addEventListener("click", (event) => {
    all("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  // --- tokens: Enter or a comma makes one of what was typed
  function token(input) {
    const text = input.value.trim().replace(/,$/, "").trim();
    if (!text) return;
    const box = input.closest(".tok");
    const known = all("input[type=hidden]", box).some((one) => one.value === text);
    if (!known) {
      const tag = document.createElement("span");
      tag.className = "tag";
      const word = document.createElement("span");
      word.textContent = text;
      const kept = document.createElement("input");
      kept.type = "hidden";
      kept.name = input.name;
      kept.value = text;
      const out = document.createElement("button");
      out.type = "button";
      out.dataset.untoken = "";
      out.setAttribute("aria-label", `${box.dataset.remove || ""} ${text}`);
      out.textContent = "×";
      tag.append(word, kept, out);
      input.before(tag);
    }
    input.value = "";
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  document.addEventListener("keydown", (event) => {
    const input = event.target.closest?.(".tok input:not([type=hidden])");
    if (!input) return;
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      token(input);
    } else if (event.key === "Backspace" && !input.value) {
      const last = all(".tag", input.closest(".tok")).pop();
      if (last) {
        last.remove();
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    }
  });
  document.addEventListener("focusout", (event) => {
    const input = event.target.closest?.(".tok input:not([type=hidden])");
    if (input && input.value.trim()) token(input);
  });
  document.addEventListener("click", (event) => {
    const out = event.target.closest("[data-untoken]");
    if (!out) return;
    event.preventDefault();
    const box = out.closest(".tok");
    out.closest(".tag").remove();
    box.dispatchEvent(new Event("change", { bubbles: true }));
    $("input:not([type=hidden])", box)?.focus();
  });

  // --- switches and filters that act at once
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
    const check = event.target.closest("[data-check-all]");
    if (check) all(check.dataset.checkAll).forEach((one) => { one.checked = check.checked; });
    const picked = $("[data-picked]");
    if (picked) picked.textContent = all("tbody .ck:checked").length;
  });

  // --- two fields of which one counts: choosing in the list empties the text; Enter in the text looks it up
  document.addEventListener("change", (event) => {
    const cleared = event.target.dataset?.clears;
    if (cleared) $(cleared).value = "";
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey || !event.target.dataset?.enter) return;
    event.preventDefault();
    $(event.target.dataset.enter)?.click();
  });

  // --- unsaved changes
  let dirty = false;
  const guarded = () => $("form[data-guard]");
  document.addEventListener("input", (event) => {
    if (event.target.closest("form[data-guard]") && !event.target.closest("[data-noguard]")) changed();
  });
  document.addEventListener("change", (event) => {
    if (event.target.closest("form[data-guard]") && !event.target.closest("[data-noguard]")) changed();
  });
  function changed() {
    dirty = true;
    all("[data-when-changed]").forEach((one) => { one.hidden = false; });
    all("[data-when-unchanged]").forEach((one) => { one.hidden = true; });
  }
  document.addEventListener("submit", () => { dirty = false; });
  window.addEventListener("beforeunload", (event) => {
    if (dirty || guarded()?.dataset.guard === "changed") {
      if (dirty) event.preventDefault();
    }
  });

  // --- a form that was refused begins where something is wrong
  $("main [aria-invalid=true]")?.focus();

  // --- dialogs
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = $(opener.dataset.dialog);
      if (dialog?.showModal) {
        event.preventDefault();
        dialog.showModal();
      }
    }
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  });

  // --- keys: / and Ctrl K search, g then a letter goes somewhere, n makes a new one, j and k walk rows
  let last = "";
  const places = { o: "/", r: "/rules", k: "/contacts", w: "/deliveries", e: "/endpoints" };
  document.addEventListener("keydown", (event) => {
    const ctrl = event.ctrlKey || event.metaKey;
    if (ctrl && event.key.toLowerCase() === "k") {
      event.preventDefault();
      location.href = $("a.find")?.href || location.href;
      return;
    }
    if (ctrl && event.key === "Enter") {
      const form = event.target.closest?.("form");
      if (form) form.requestSubmit($("[data-save]", form) || undefined);
      return;
    }
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      const way = event.key === "ArrowUp" ? "up/" : "down/";
      const button = $(`button[name=do][value^="${way}"]`, event.target.closest?.(".act") || document.createElement("i"));
      if (button) {
        event.preventDefault();
        button.click();
      }
      return;
    }
    if (ctrl || event.altKey || typing(event.target)) return;
    const key = event.key.toLowerCase();
    if (key === "escape") all("details.menu[open]").forEach((menu) => { menu.open = false; $("summary", menu)?.focus(); });
    if (last === "g" && places[key]) {
      const link = all(".side a").find((one) => new URL(one.href).pathname.endsWith(places[key]));
      if (link) location.href = link.href;
    } else if (key === "/") {
      const field = $("input[type=search]");
      if (field) { event.preventDefault(); field.focus(); }
    } else if (key === "n") {
      const link = $("[data-new]");
      if (link) location.href = link.href;
    } else if (key === "j" || key === "k") {
      const rows = all(".tbl a.t");
      const at = rows.indexOf(document.activeElement);
      rows[Math.min(Math.max(at + (key === "j" ? 1 : -1), 0), rows.length - 1)]?.focus();
    } else if (event.key === "?") {
      $("#shortcuts")?.showModal?.();
    }
    last = key;
  });

  // --- the search: arrows walk what it found
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.closest(".pal")) return;
    const stops = [$(".pal input"), ...all(".pal li a")];
    const next = stops[stops.indexOf(event.target) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });

  // --- parts from the server: errors are said, a lost connection is shown
  let complained = "";
  document.addEventListener("htmx:responseError", (event) => {
    const text = event.detail.xhr.responseText.slice(0, 300) || String(event.detail.xhr.status);
    const live = event.target.closest?.("[data-live], [data-tick]");
    // what asks by itself every few seconds complains once
    if (!live || text !== complained) toast(text, "bad");
    if (live) lost();
    complained = live ? text : "";
  });
  document.addEventListener("htmx:sendError", lost);
  function lost() {
    all(".live").forEach((one) => {
      one.dataset.word ||= one.textContent;
      one.classList.add("lost");
      one.textContent = document.body.dataset.lost;
    });
  }
  document.addEventListener("htmx:afterOnLoad", (event) => {
    if (event.detail.failed) return;
    all(".live.lost").forEach((one) => {
      one.classList.remove("lost");
      one.textContent = one.dataset.word;
    });
  });
  // what a live list shows stays put while somebody reads it or has chosen rows
  document.addEventListener("htmx:beforeRequest", (event) => {
    const live = event.target.closest?.("[data-live]");
    if (live && (document.hidden || live.dataset.paused === "1" || live.matches(":hover"))) event.preventDefault();
    if (document.hidden && event.target.closest?.("[data-tick]")) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const pause = event.target.closest("[data-pause]");
    if (!pause) return;
    const live = $(pause.dataset.pause);
    const paused = live.dataset.paused !== "1";
    live.dataset.paused = paused ? "1" : "";
    pause.setAttribute("aria-pressed", String(paused));
    $(".live", pause.parentElement)?.classList.toggle("held", paused);
  });
})();
