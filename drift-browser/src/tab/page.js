// Lives in a world of its own beside the page's scripts: it sees the same document, they do not see it.
globalThis.__drift ??= (() => {
  let lastChange = performance.now();
  const changed = new MutationObserver(() => { lastChange = performance.now(); });
  const watched = new WeakSet();
  // Not `style`: a turning wheel would keep a page restless for ever.
  const attributes = ['class', 'hidden', 'disabled', 'open', 'src', 'aria-hidden', 'aria-disabled', 'aria-expanded'];
  const watch = root => {
    if (watched.has(root)) return;
    watched.add(root);
    changed.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: attributes });
  };
  watch(document);

  // Every element below `root`, into open shadow roots too.
  function* elements(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT);
    let node = root.nodeType === Node.ELEMENT_NODE ? root : walker.nextNode();
    for (; node; node = walker.nextNode()) {
      if (node !== root) yield node;
      if (node.shadowRoot) {
        watch(node.shadowRoot);
        yield* elements(node.shadowRoot);
      }
    }
  }
  const collapse = text => text.replace(/\s+/g, ' ').trim();
  const matcher = want => {
    if (want.regex !== undefined) {
      const regex = new RegExp(want.regex, want.any_case ? 'iu' : 'u');
      return text => regex.test(collapse(text));
    }
    const whole = want.whole.toLowerCase();
    return text => collapse(text).toLowerCase() === whole;
  };
  const visible = element => {
    if (!element.isConnected || !element.checkVisibility({ visibilityProperty: true })) return false;
    for (const box of element.getClientRects()) if (box.width > 0 && box.height > 0) return true;
    // `display: contents` has no box of its own.
    return getComputedStyle(element).display === 'contents' && [...element.children].some(visible);
  };
  const FIELDS = 'input:not([type=hidden]), textarea, select, button, meter, output, progress, [contenteditable]';
  const labels = element => {
    const texts = [...(element.labels ?? [])].map(label => label.textContent);
    const own = element.getAttribute('aria-label');
    if (own) texts.push(own);
    for (const id of (element.getAttribute('aria-labelledby') ?? '').split(/\s+/)) {
      const label = id && element.getRootNode().getElementById(id);
      if (label) texts.push(label.textContent);
    }
    return texts;
  };
  const SILENT = new Set(['SCRIPT', 'STYLE', 'NOSCRIPT', 'TEMPLATE', 'HEAD', 'TITLE']);
  const LONGEST_TEXT = 4000;

  const ways = {
    css(root, selector) {
      const found = [...root.querySelectorAll(selector)];
      for (const element of elements(root)) {
        if (element.shadowRoot) found.push(...element.shadowRoot.querySelectorAll(selector));
      }
      return found;
    },
    text(root, want) {
      const matches = matcher(want);
      const found = [];
      for (const element of elements(root)) {
        if (SILENT.has(element.tagName)) continue;
        const isButton = element.tagName === 'INPUT' && ['submit', 'button', 'reset'].includes(element.type);
        const text = isButton ? element.value : element.textContent;
        if (text.length <= LONGEST_TEXT && matches(text)) found.push(element);
      }
      // The smallest: none that holds another.
      const holders = new Set();
      for (const element of found) {
        for (let up = element.parentElement; up && !holders.has(up); up = up.parentElement) holders.add(up);
      }
      return found.filter(element => !holders.has(element));
    },
    label(root, want) {
      const matches = matcher(want);
      return [...elements(root)].filter(element => element.matches(FIELDS) && labels(element).some(matches));
    },
    placeholder(root, want) {
      const matches = matcher(want);
      return [...elements(root)].filter(element => matches(element.getAttribute('placeholder') ?? ''));
    },
    testid(root, want) {
      const matches = matcher(want);
      const names = ['data-testid', 'data-test-id', 'data-test', 'data-cy', 'data-qa'];
      return [...elements(root)].filter(element => names.some(name => matches(element.getAttribute(name) ?? '')));
    },
  };

  const describe = element => {
    const id = element.id ? ` id="${element.id}"` : '';
    const role = element.getAttribute('role') ? ` role="${element.getAttribute('role')}"` : '';
    const text = collapse(element.innerText ?? element.textContent ?? '').slice(0, LONGEST_TEXT);
    return `<${element.localName}${id}${role}>${text ? ` "${text}"` : ''}`;
  };

  return {
    describe,
    visible,
    // Time since the document last changed, in ms, and whether it is all there.
    rest: () => ({ quiet: performance.now() - lastChange, complete: document.readyState === 'complete', url: location.href }),
    find: (root, way, want) => ways[way](root, want).filter(visible),

    // Brings an element into view and waits until two frames show it in the same place.
    async prepare(element) {
      if (!element.isConnected) return { gone: true };
      element.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
      const frame = () => new Promise(done => { requestAnimationFrame(done); setTimeout(done, 100); });
      const place = () => { const box = element.getBoundingClientRect(); return [box.x, box.y, box.width, box.height].join(); };
      let before;
      for (let round = 0; round < 20 && before !== (before = place()); round += 1) await frame();
      const off = element.matches(':disabled') || element.closest('[aria-disabled=true]') !== null;
      return { disabled: off, readonly: element.readOnly === true };
    },

    // Whether a click on `hit` is a click on `element`; else what is in the way.
    obstacle(element, hit) {
      for (let node = hit; node; node = node.parentNode ?? node.host) {
        if (node === element) return null;
        if (node.localName === 'label' && node.control === element) return null;
        if (node.assignedSlot && node.assignedSlot.getRootNode().host === element) return null;
      }
      let cover = hit.nodeType === Node.ELEMENT_NODE ? hit : hit.parentElement;
      const common = new Set();
      for (let up = element; up; up = up.parentNode ?? up.host) common.add(up);
      // The outermost part of what covers it says more than the spot that was hit.
      while (cover?.parentElement && !common.has(cover.parentElement)) cover = cover.parentElement;
      return cover ? describe(cover) : 'something';
    },

    // Makes ready to type: focused, and what is in there selected, so that it gives way.
    focus(element) {
      element.focus();
      if (element.select) element.select();
      else if (element.isContentEditable) getSelection().selectAllChildren(element);
      return element.value !== undefined ? element.value === '' : element.textContent === '';
    },
    // Into shadow roots too.
    within(element, holder) {
      for (let node = element; node; node = node.parentNode ?? node.host) if (node === holder) return true;
      return false;
    },
    words: element => collapse(element.textContent ?? '').slice(0, LONGEST_TEXT),
    value: element => element.value ?? element.textContent,
    editable: element => element.matches('input, textarea') || element.isContentEditable,
    checked: element => element.checked ?? (element.getAttribute('aria-checked') === 'true'),
    // The visible thing that toggles a checkbox which is itself drawn by other means.
    choose(element, option) {
      const wanted = collapse(option).toLowerCase();
      const fits = one => collapse(one.label).toLowerCase() === wanted || one.value.toLowerCase() === wanted;
      const found = [...(element.options ?? [])].find(fits);
      if (!found) return false;
      if (!found.selected) {
        found.selected = true;
        element.dispatchEvent(new Event('input', { bubbles: true }));
        element.dispatchEvent(new Event('change', { bubbles: true }));
      }
      return true;
    },
    read(element, attribute) {
      if (attribute) return element.getAttribute(attribute) ?? (element[attribute] !== undefined ? String(element[attribute]) : '');
      return element.matches('input, textarea, select') ? element.value : element.innerText ?? element.textContent;
    },
    // Everything that a person could read, and what stands in fields.
    text() {
      const values = [];
      for (const element of elements(document)) {
        if (element.matches('input, textarea')) values.push(element.value);
        if (element.shadowRoot) values.push(...[...element.shadowRoot.children].map(child => child.textContent));
      }
      return [document.body?.innerText ?? '', ...values].join('\n').slice(0, 2000000);
    },
    // Fields to type into, and challenge frames big enough to be meant for the visitor.
    challenge(list) {
      const fields = [...elements(document)].filter(e =>
        e.matches('input:not([type]), input[type=text], input[type=email], input[type=password], input[type=tel], textarea') && visible(e));
      const big = [...elements(document)].filter(e => e.localName === 'iframe').filter(frame => {
        const box = frame.getBoundingClientRect();
        const mine = list.some(part => (frame.src ?? '').includes(part));
        return mine && visible(frame) && box.width > 60 && box.height > 40 && !/[?&]size=invisible/.test(frame.src);
      });
      const opened = big.some(frame => frame.getBoundingClientRect().height >= 250);
      return big.length > 0 && (fields.length === 0 || opened);
    },
  };
})();
