// Tells what a person does, as locators that will still find the same things: role and name first, then attributes that
// developers keep, a path through the document last. Values are never told.
(() => {
  if (globalThis.__driftRecorder) return;
  globalThis.__driftRecorder = true;
  const collapse = text => (text ?? '').replace(/\s+/g, ' ').trim();
  const quote = text => text.includes('"') ? `'${text}'` : `"${text}"`;
  const ROLES = { A: 'link', BUTTON: 'button', SELECT: 'combobox', TEXTAREA: 'textbox' };
  const INPUTS = { checkbox: 'checkbox', radio: 'radio', submit: 'button', button: 'button', reset: 'button', search: 'searchbox', number: 'spinbutton', range: 'slider', password: null };
  const role = element => {
    const said = element.getAttribute('role');
    if (said) return said.split(' ')[0];
    if (element.tagName === 'INPUT') return element.type in INPUTS ? INPUTS[element.type] : 'textbox';
    return ROLES[element.tagName] ?? null;
  };
  const label = element => collapse(element.getAttribute('aria-label')
    || (element.getAttribute('aria-labelledby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent ?? '').join(' ').trim()
    || [...(element.labels ?? [])].map(one => { const copy = one.cloneNode(true); copy.querySelectorAll('input,select,textarea').forEach(field => field.remove()); return copy.textContent; }).join(' '));
  const name = element => label(element) || collapse(element.matches('input[type=submit],input[type=button]') ? element.value : element.matches('input,select,textarea') ? element.placeholder : element.textContent);
  const LONGEST = 60;
  const locators = element => {
    const found = [];
    const is = role(element), called = name(element);
    if (is && called && called.length <= LONGEST) found.push(`${is} ${quote(called)}`);
    const labelled = label(element);
    if (!is && labelled && labelled.length <= LONGEST) found.push(`label ${quote(labelled)}`);
    for (const attribute of ['data-testid', 'data-test-id', 'data-test', 'data-cy', 'data-qa']) {
      const value = element.getAttribute(attribute);
      if (value) { found.push(`testid ${quote(value)}`); break; }
    }
    const tag = element.localName;
    for (const attribute of ['name', 'type', 'autocomplete']) {
      const value = element.getAttribute(attribute);
      if (value && /^[\w-]+$/.test(value)) { found.push(`css ${tag}[${attribute}=${value}]`); break; }
    }
    // An id with digits in it was drawn by a machine.
    if (element.id && /^[a-z][a-z_-]*$/i.test(element.id)) found.push(`css #${element.id}`);
    if (!found.length) {
      const path = [];
      for (let node = element; node && node !== document.body && path.length < 4; node = node.parentElement) {
        const index = [...(node.parentElement?.children ?? [])].filter(other => other.localName === node.localName).indexOf(node);
        path.unshift(`${node.localName}:nth-of-type(${index + 1})`);
      }
      found.push(`css ${path.join(' > ')}`);
    }
    return found.slice(0, 3);
  };
  const tell = (kind, element, more) => driftRecord(JSON.stringify({ kind, locators: element ? locators(element) : [], url: location.href, ...more }));
  const CLICKABLE = 'a, button, summary, [role=button], [role=link], [role=tab], [role=menuitem], [role=option], [role=switch], [onclick], input[type=submit], input[type=button]';
  addEventListener('click', event => {
    const target = event.composedPath()[0];
    const element = target.closest?.(CLICKABLE);
    if (event.isTrusted && element) tell('click', element);
  }, true);
  addEventListener('change', event => {
    const element = event.composedPath()[0];
    if (!event.isTrusted || !element.matches?.('input, textarea, select')) return;
    if (['checkbox', 'radio'].includes(element.type)) tell(element.checked ? 'check' : 'uncheck', element);
    else if (element.localName === 'select') tell('select', element, { option: collapse(element.selectedOptions[0]?.label) });
    else tell('fill', element, { secret: element.type === 'password', field: name(element) });
  }, true);
  addEventListener('keydown', event => {
    if (event.isTrusted && event.key === 'Enter' && event.composedPath()[0].localName === 'input') {
      const element = event.composedPath()[0];
      tell('fill', element, { secret: element.type === 'password', field: name(element) });
      tell('press', null, { key: 'Enter' });
    }
  }, true);
})();
