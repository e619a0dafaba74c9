// A maintainer's morning: signs in, sees a drift come in while looking, opens it, compares the trees, mutes it and takes that back,
// has it replayed, makes a key and revokes it, and leaves.

import assert from "node:assert/strict";

import { story } from "./stage.mjs";

await story(async ({ world, ask, visit }) => {
  const visitor = await visit();
  const { page } = visitor;
  const button = (name) => page.getByRole("button", { name, exact: true });
  const seen = (text) => page.getByText(text).first().waitFor();
  const path = () => new URL(page.url()).pathname;

  // Whoever is not signed in is asked to, told when the key is wrong, and then is where they wanted to go.
  await page.goto("/events");
  assert.equal(path(), "/sign-in");
  await visitor.enterKey("drift_000000000000_this-is-no-key-of-this-server-at-all");
  await page.getByRole("alert").waitFor();
  await visitor.enterKey(world.admin);
  await page.waitForURL("/events");

  // The page is not loaded anew when the report comes.
  await page.evaluate(() => (window.sameAsBefore = true));
  await visitor.report("signup-form");
  await seen("signup-form");
  assert.equal(await page.evaluate(() => window.sameAsBefore), true);

  await page.goto("/");
  await page.getByRole("link", { name: "signup-form", exact: true }).first().click();
  await page.waitForURL(world.pages.drift);
  await seen("Nothing is proved yet");
  const tick = await ask("tick");
  assert.equal(tick.drifts[0].action, "opened", JSON.stringify(tick));

  // The picture is there, and what is gone stands beside what is new.
  await page.reload();
  const picture = page.locator("figure img").first();
  await picture.waitFor();
  assert.ok(await picture.evaluate((image) => image.complete && image.naturalWidth > 0));
  const changes = await page.getByRole("region", { name: /^Parts of the page that changed/ }).innerText();
  assert.match(changes, /[-−] *- link "Old"/);
  assert.match(changes, /\+ *- button "New"/);

  await page.getByLabel("More reports").fill("5");
  await button("Mute").click();
  await seen("until it was reported 5 times more");
  await button("Unmute").click();
  await button("Mute").waitFor();

  // An open issue is verified, and the page still trips.
  await button("Replay now").click();
  await seen("Waits for the next tick");
  const again = await ask("tick");
  assert.equal(again.drifts[0].verdict, "confirmed", JSON.stringify(again));
  await page.reload();
  await button("Replay now").waitFor();
  await page.goto("/runs");
  assert.equal(await page.locator("main tbody tr").count(), 3);

  // A key is shown once, and revoked after a question.
  await page.goto("/keys");
  await page.getByLabel("What it is for").fill("laptops");
  await button("Make a key").click();
  const secret = await page.getByRole("region", { name: "The key for laptops" }).locator("code").first().innerText();
  assert.match(secret, /^drift_[0-9a-f]{12}_/);
  await page.goto("/keys");
  assert.ok(!(await page.content()).includes(secret));
  await page.getByRole("link", { name: "Revoke laptops" }).click();
  await button("Revoke laptops").click();
  await page.waitForURL("/keys");
  const row = page.getByRole("row").filter({ hasText: "laptops" });
  assert.match(await row.innerText(), /revoked/);

  await button("Sign out").click();
  await page.goto(world.pages.drift);
  assert.equal(path(), "/sign-in");

  // Without scripts everything is there but what comes by itself.
  const plain = await visit({ scripts: false });
  await plain.page.goto(world.pages.drift);
  await plain.enterKey(world.admin);
  await plain.page.waitForURL(world.pages.drift);
  await plain.page.getByRole("button", { name: "Mute", exact: true }).click();
  await plain.page.getByRole("button", { name: "Unmute", exact: true }).click();
  await plain.page.getByRole("button", { name: "Mute", exact: true }).waitFor();
});
