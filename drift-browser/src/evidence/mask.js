// Blacks out, in one document and its shadow roots, what no picture may show. Joins `__drift` in our own world. `cover`
// answers how much was bare, so a second call that answers 0 proves that the picture in between was masked.
(() => {
  const drift = globalThis.__drift;
  if (drift.cover) return;
  const NAME = 'drift-mask';
  const styles = new Map();   // element -> its style attribute as it was
  const covered = new WeakMap();   // text node -> [start, end] pairs that are black
  const hiddenFrames = new WeakSet();
  const shownFrames = new WeakSet();
  const highlight = new Highlight();
  const sheets = [];
  const focused = [];
  let boxes = null;

  const keepStyle = element => {
    if (!styles.has(element)) styles.set(element, element.getAttribute('style'));
  };
  const set = (element, properties) => {
    keepStyle(element);
    for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value, 'important');
  };
  const STILL = { transition: 'none', animation: 'none' };
  // A field stays to be seen as a black box.
  const blacken = element => {
    if (styles.has(element)) return 0;
    set(element, { ...STILL, background: '#000', color: 'transparent', 'text-shadow': 'none', 'caret-color': 'transparent',
      '-webkit-text-fill-color': 'transparent', '-webkit-text-stroke': '0', 'text-decoration': 'none' });
    return 1;
  };
  // Anything else goes as a whole, and a black box marks its place.
  const place = element => {
    const box = element.getBoundingClientRect();
    return { x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height };
  };
  const hide = (element, box = place(element)) => {
    if (styles.has(element)) return 0;
    // Parts of a drawing know no opacity of their own, parts of a page may be visible in spite of what holds them.
    set(element, { ...STILL, opacity: '0', visibility: 'hidden' });
    mark(box);
    return 1;
  };
  const mark = box => {
    if (box.width < 1 || box.height < 1 || !document.documentElement) return;
    if (!boxes) {
      boxes = document.createElement('div');
      boxes.style.cssText = 'all:initial!important;position:absolute!important;left:0!important;top:0!important;width:0!important;height:0!important;z-index:2147483647!important;pointer-events:none!important';
      document.documentElement.append(boxes);
    }
    const one = document.createElement('div');
    one.style.cssText = `all:initial!important;position:absolute!important;background:#000!important;left:${box.x}px!important;top:${box.y}px!important;width:${box.width}px!important;height:${box.height}px!important`;
    boxes.append(one);
  };

  const TYPED = 'input:not([type=checkbox]):not([type=radio]):not([type=submit]):not([type=button]):not([type=reset]):not([type=hidden]):not([type=image]):not([type=range]), textarea, select';
  const UNREADABLE = 'canvas, video, object, embed';
  const INVISIBLE = /[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]/;
  const MEMBER = /[A-Za-z0-9_-]/;

  const everything = function* (root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      yield node;
      if (node.shadowRoot) {
        yield node.shadowRoot;
        yield* everything(node.shadowRoot);
      }
    }
  };
  const paint = root => {
    if (root.adoptedStyleSheets.some(sheet => sheets.includes(sheet))) return;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`::highlight(${NAME}) { color: #000 !important; background-color: #000 !important; text-shadow: none !important; -webkit-text-fill-color: #000 !important; -webkit-text-stroke-color: #000 !important; fill: #000 !important; text-decoration: none !important }
      ::placeholder { color: transparent !important; -webkit-text-fill-color: transparent !important; text-shadow: none !important }`);
    sheets.push(sheet);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  };

  // Letter by letter: some letters of the world become two in lower case, and every place behind them would be another.
  const low = text => text.replace(/[A-Z]+/g, letters => letters.toLowerCase());

  // Where in `text` something stands that may not be seen: [from, to) pairs.
  const matcher = wanted => {
    const shapes = wanted.shapes.map(shape => new RegExp(shape, 'g'));
    const secrets = wanted.secrets.map(secret => low(secret.replace(/\s+/g, '')));
    const byShape = text => {
      const found = [];
      for (const shape of shapes) {
        for (const match of text.matchAll(shape)) if (match[0]) found.push([match.index, match.index + match[0].length]);
      }
      for (const token of text.matchAll(/[A-Za-z0-9_-]+/g)) {
        const text = token[0];
        if (text.length >= wanted.long && /[0-9]/.test(text) && /[A-Za-z]/.test(text)) found.push([token.index, token.index + text.length]);
      }
      return found;
    };
    const known = text => {
      const lower = low(text);
      const found = [];
      for (const secret of secrets) {
        for (let at = lower.indexOf(secret); at >= 0; at = lower.indexOf(secret, at + 1)) found.push([at, at + secret.length]);
      }
      return found;
    };
    return { byShape, known, any: text => byShape(text).length > 0 || known(text).length > 0 };
  };

  // What a style sheet writes before and behind an element, or as the mark of a list.
  const draws = (element, find) => ['::before', '::after', '::marker'].some(part => {
    const content = getComputedStyle(element, part).content;
    return content && content !== 'none' && content !== 'normal' && find.any(content);
  });
  // What an element shows that is no text in it: a button's value, a picture that says who it is of or that is a text itself.
  const SHOWS = 'img, image, use, area, input, progress, meter, source';
  const shows = (element, find) => {
    const said = text => Boolean(text) && text.length < 5000 && (find.any(text) || text.includes('%') && find.any(decoded(text)));
    if (element.matches(SHOWS)) return said(element.value) || [...element.attributes].some(attribute => said(attribute.value));
    const style = element.getAttribute('style');
    return Boolean(style) && style.includes('url(') && said(style);
  };
  const decoded = text => { try { return decodeURIComponent(text); } catch { return ''; } };

  // What the browser itself says of a field ("… is registered already") hangs in a bubble that no style sheet reaches and no
  // document holds. It goes with the focus. The page does not notice: its scripts stand still.
  const leave = root => {
    const field = root.activeElement;
    if (!field || field === document.body) return;
    focused.push(field);
    field.blur?.();
  };

  const cover = (root, wanted) => {
    const find = matcher(wanted);
    let bare = 0;
    paint(root);
    leave(root);
    // The text of the whole root as one, with a way back from each character to where it stands: a secret may be cut
    // into several elements, or have invisible marks in it.
    // All looking comes before all changing: a browser that has to measure after every change takes minutes.
    const nodes = [];
    const toBlacken = [], toHide = [], toKeepBack = [];
    let lastBlock = null;
    let apart = false;
    for (const node of everything(root)) {
      if (node.nodeType === Node.DOCUMENT_FRAGMENT_NODE) { paint(node); leave(node); continue; }
      if (node.nodeType === Node.TEXT_NODE) {
        const parent = node.parentElement;
        if (!node.data.trim() || (parent && ['SCRIPT', 'STYLE', 'NOSCRIPT', 'TEMPLATE'].includes(parent.tagName))) continue;
        let block = parent;
        while (block?.parentElement && getComputedStyle(block).display.startsWith('inline')) block = block.parentElement;
        nodes.push({ node, apart: apart || block !== lastBlock });
        lastBlock = block;
        apart = false;
        continue;
      }
      if (node.localName === 'br') apart = true;
      if (node === boxes || boxes?.contains(node)) continue;
      if (node.matches(TYPED)) (node.placeholder && find.any(node.placeholder) ? toHide : toBlacken).push(node);
      else if (node.isContentEditable && !node.parentElement?.isContentEditable) toHide.push(node);
      else if (node.matches(UNREADABLE)) toHide.push(node);
      else if (node.matches('iframe, frame')) toKeepBack.push(node);
      else if (draws(node, find) || shows(node, find)) toHide.push(node);
    }
    const places = toHide.map(place);
    for (const element of toBlacken) bare += blacken(element);
    toHide.forEach((element, index) => { bare += hide(element, places[index]); });
    for (const frame of toKeepBack) {
      // Hidden until its inside is masked; `show` undoes it.
      if (shownFrames.has(frame) || hiddenFrames.has(frame)) continue;
      hiddenFrames.add(frame);
      set(frame, { ...STILL, visibility: 'hidden' });
      bare += 1;
    }
    let text = '';
    const back = [];     // for each character of `text`: [text node, offset], or null between blocks
    for (const { node, apart } of nodes) {
      if (apart) { text += '\n'; back.push(null); }
      for (let at = 0; at < node.data.length; at += 1) {
        if (INVISIBLE.test(node.data[at])) continue;
        text += node.data[at];
        back.push([node, at]);
      }
    }
    const squeezed = [...back.keys()].filter(at => back[at] && !/\s/.test(text[at]));
    const dense = squeezed.map(at => text[at]).join('');
    const spans = find.byShape(text);
    for (const [from, to] of find.known(dense)) spans.push([squeezed[from], squeezed[to - 1] + 1]);
    for (let [from, to] of spans) {
      // A piece of a key says something of it: black as far as the run goes.
      while (from > 0 && back[from - 1] && MEMBER.test(text[from]) && MEMBER.test(text[from - 1])) from -= 1;
      while (to < text.length && back[to] && MEMBER.test(text[to - 1]) && MEMBER.test(text[to])) to += 1;
      let at = from;
      while (at < to) {
        if (!back[at]) { at += 1; continue; }
        const [node, start] = back[at];
        let last = start;
        while (at < to && back[at] && back[at][0] === node) { last = back[at][1]; at += 1; }
        bare += coverText(node, start, last + 1);
      }
    }
    CSS.highlights.set(NAME, highlight);
    return bare;
  };
  const coverText = (node, start, end) => {
    const before = covered.get(node) ?? [];
    if (before.some(([from, to]) => from <= start && end <= to)) return 0;
    covered.set(node, [...before, [start, end]]);
    const parent = node.parentElement;
    // Text in SVG and in plain options is drawn in ways of its own.
    if (parent && (parent.namespaceURI !== 'http://www.w3.org/1999/xhtml' || parent.localName === 'option')) {
      hide(parent);
      return 1;
    }
    const range = new Range();
    range.setStart(node, start);
    range.setEnd(node, end);
    highlight.add(range);
    return 1;
  };

  Object.assign(drift, {
    cover,
    hide,
    show(frame) {
      if (!hiddenFrames.has(frame)) return;
      hiddenFrames.delete(frame);
      shownFrames.add(frame);
      restore(frame);
    },
    uncover() {
      for (const element of [...styles.keys()]) restore(element);
      highlight.clear();
      CSS.highlights.delete(NAME);
      for (const root of [document, ...[...everything(document)].filter(node => node.nodeType === Node.DOCUMENT_FRAGMENT_NODE)]) {
        root.adoptedStyleSheets = root.adoptedStyleSheets.filter(sheet => !sheets.includes(sheet));
      }
      boxes?.remove();
      boxes = null;
      for (const field of focused.splice(0)) field.focus?.({ preventScroll: true });
      for (const name of ['cover', 'hide', 'show', 'uncover']) delete drift[name];
    },
  });
  const restore = element => {
    const before = styles.get(element);
    styles.delete(element);
    if (before === null) element.removeAttribute('style');
    else element.setAttribute('style', before);
  };
})();
