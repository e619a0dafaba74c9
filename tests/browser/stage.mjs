// What the stories stand on: Debian's Chromium, a page that is watched, and the test that started us, which answers on
// standard input what is asked on standard output (`tests/harness/browser_story.rs`).

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Runs a story: `tell` gets the world that the test has made, and ends well or throws. */
export async function story(tell) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const heard = async () => JSON.parse((await lines.next()).value);
  const world = await heard();
  /** Has the test do something, `tick` for one, and waits until it is done. */
  const ask = async (what) => {
    process.stdout.write(`${JSON.stringify(what)}\n`);
    return heard();
  };
  mkdirSync(world.pictures, { recursive: true });
  const browser = await chromium.launch({
    executablePath: world.chromium,
    args: [
      "--no-sandbox", // of pages of our own, on a machine that tests
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const visitors = [];
  try {
    const visit = async (options = {}) => {
      const visitor = await Visitor.enter(browser, world, options);
      visitors.push(visitor);
      return visitor;
    };
    await tell({ world, ask, visit });
    for (const visitor of visitors) visitor.assertNothingBad();
  } catch (error) {
    for (const [number, { page }] of visitors.entries()) {
      await page.screenshot({ path: `${world.pictures}/failed-${world.story}-${number}.png` }).catch(() => {});
      process.stderr.write(`at ${page.url()}\n`);
    }
    throw error;
  } finally {
    await browser.close();
  }
  // Standard input stays open for as long as the test lives.
  process.exit(0);
}

/** Somebody with a browser of their own: no cookies but theirs, and an eye on everything that should not happen. */
export class Visitor {
  static async enter(browser, world, { dark = false, phone = false, scripts = true, clock = true } = {}) {
    const context = await browser.newContext({
      baseURL: world.base,
      colorScheme: dark ? "dark" : "light",
      viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 900 },
      reducedMotion: "reduce",
      javaScriptEnabled: scripts,
      locale: "en-GB",
      timezoneId: "UTC",
    });
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    const visitor = new Visitor(world, context, page);
    await visitor.watch();
    // Times on a page grow older while it is open, and are wider then. Whoever measures how it comes up does not want that.
    if (!clock) await page.addInitScript(() => (window.setInterval = () => 0));
    return visitor;
  }

  constructor(world, context, page) {
    Object.assign(this, { world, context, page, bad: [], bytes: 0 });
  }

  async watch() {
    const { page, world } = this;
    page.on("dialog", (dialog) => {
      this.bad.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== world.base && protocol !== "data:") this.bad.push(`a request to ${request.url()}`);
    });
    page.on("pageerror", (error) => this.bad.push(`an error in a script: ${error.message}`));
    page.on("popup", () => this.bad.push("a popup"));
    page.on("response", async (response) => {
      if (response.status() >= 400 && new URL(response.url()).pathname.startsWith("/static/"))
        this.bad.push(`${response.status()} for ${response.url()}`);
    });
    await page.exposeFunction("__violated", (what) => this.bad.push(`against the content security policy: ${what}`));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) =>
        window.__violated(`${event.violatedDirective} ${event.blockedURI}`),
      );
      window.__moved = [];
      new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries())
          for (const { node, previousRect: from, currentRect: to } of sources)
            window.__moved.push(
              `${node?.outerHTML?.slice(0, 120) ?? node?.textContent}: ${from.x},${from.y} to ${to.x},${to.y} (${value})`,
            );
      }).observe({ type: "layout-shift", buffered: true });
    });
  }

  /** Nothing that a page must not do was done so far. */
  assertNothingBad() {
    assert.deepEqual(this.bad, []);
  }

  /** Opens a page with an empty cache, and says what it weighs on the wire, headers included. */
  async weigh(path) {
    const session = await this.context.newCDPSession(this.page);
    await session.send("Network.enable");
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    let bytes = 0;
    session.on("Network.loadingFinished", (finished) => (bytes += finished.encodedDataLength));
    await this.page.goto(path, { waitUntil: "load" });
    await this.rest();
    await session.detach();
    return bytes;
  }

  /** Until what was painted is what will be seen: two frames later. (A live page's network never rests.) */
  async rest() {
    await this.page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))),
    );
  }

  async signIn() {
    await this.page.goto("/sign-in");
    await this.enterKey(this.world.admin);
    await this.page.waitForURL("/");
  }

  async enterKey(key) {
    await this.page.getByLabel(/^Key of scope/).fill(key);
    await this.page.getByRole("button", { name: "Sign in", exact: true }).click();
  }

  /** As many kinds of trouble as axe-core finds: WCAG 2.2 AA, and what it calls best practice. */
  async assertAccessible() {
    await this.page.evaluate(axe);
    const violations = await this.page.evaluate(async () => {
      const { violations } = await window.axe.run(document);
      return violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((n) => n.html).join("\n  ")}`);
    });
    assert.deepEqual(violations, [], `axe-core at ${this.page.url()}`);
  }

  /** Nothing sticks out to the right, and nothing has moved since it was first painted. */
  async assertStill() {
    const { wide, moved } = await this.page.evaluate(() => ({
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      moved: window.__moved,
    }));
    assert.equal(wide, 0, `${this.page.url()} scrolls sideways by ${wide} px`);
    assert.deepEqual(moved, [], `what moved at ${this.page.url()}`);
  }

  async picture(name) {
    await this.page.screenshot({ path: `${this.world.pictures}/${name}.png`, fullPage: true });
  }

  /** One report, as a client sends it. */
  async report(step, more = {}) {
    const answer = await fetch(`${this.world.base}/drift/report`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.world.ingest}`, "content-type": "application/json" },
      body: JSON.stringify({
        service: "openai",
        tripwire: { kind: "selector-missing", step },
        dom_digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        url_host: "platform.openai.com",
        scraper_version: "1.4.2",
        ...more,
      }),
    });
    assert.equal(answer.status, 202, await answer.text());
  }
}
