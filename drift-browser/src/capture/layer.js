// Lifts what a consent layer lays over the rest of a page, so that the tree has it; and puts it back as it was.
globalThis.__driftLayer ??= (() => {
  const undo = [];
  const up = node => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host ?? null;
  const HIDES = ['inert', 'aria-hidden'];
  const hidden = element => HIDES.some(name => name === 'inert' ? element.hasAttribute(name) : element.getAttribute(name) === 'true');
  const uncover = element => {
    for (const name of HIDES) {
      const value = element.getAttribute(name);
      if (value === null) continue;
      element.removeAttribute(name);
      undo.push(() => element.setAttribute(name, value));
    }
  };
  const PAGE = 'main, [role=main], h1, form';
  const FRAME = 'header, footer, nav, aside, [role=banner], [role=contentinfo], [role=navigation], [role=complementary]';
  const holds = (element, what) => element.matches(what) || element.querySelector(what) !== null;
  const lift = layer => {
    const before = undo.length;
    for (let node = layer; node; node = up(node)) {
      if (node.localName === 'dialog' && node.matches(':modal')) {
        const focused = node.ownerDocument.activeElement;
        node.close();
        undo.push(() => { node.showModal(); focused?.focus?.({ preventScroll: true }); });
      }
      const beside = [...(node.parentNode?.children ?? [])].filter(other => other !== node && hidden(other));
      // What is hidden for reasons of its own (a menu that is folded, a picture) stays so: only a page is uncovered.
      if (!beside.some(other => holds(other, PAGE))) continue;
      beside.filter(other => holds(other, PAGE) || holds(other, FRAME)).forEach(uncover);
    }
    return undo.length - before;
  };
  return {
    lift,
    putBack() {
      while (undo.length) undo.pop()();
    },
  };
})();
