// What strangers write (trees, logs, names of runners and keys) stands on the pages as text, and does nothing.

import assert from "node:assert/strict";

import { story } from "./stage.mjs";

await story(async ({ world, visit }) => {
  const visitor = await visit();
  const { page } = visitor;
  await visitor.signIn();
  const seen = [];
  const evidence = new Set();
  for (const path of Object.values(world.pages)) {
    await page.goto(path);
    await visitor.rest();
    for (const link of await page.locator("a[href^='/evidence/']").all()) evidence.add(await link.getAttribute("href"));
    // Whatever is folded away, is text as well.
    await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
    seen.push(await page.locator("body").innerText());
    // Markup that somebody wrote would have made one of these.
    const made = await page.evaluate(() =>
      [...document.querySelectorAll("[onerror], [onload], img[src='x'], body script, iframe, base, [data-hostile]")].map(
        (element) => element.outerHTML,
      ),
    );
    assert.deepEqual(made, [], path);
    assert.equal(await page.evaluate(() => window.hostile), undefined, path);
  }
  const text = seen.join("\n");
  for (const written of world.hostile) assert.ok(text.includes(written), `${written} is on no page`);

  // Trees are handed out as they are, and a browser takes them for text.
  const kinds = [];
  for (const path of evidence) {
    const headers = (await page.goto(path)).headers();
    assert.match(headers["content-security-policy"], /sandbox|default-src 'none'/, path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    kinds.push(headers["content-type"].split(";")[0]);
  }
  assert.deepEqual([...new Set(kinds)].sort(), ["image/png", "text/plain"]);
});
