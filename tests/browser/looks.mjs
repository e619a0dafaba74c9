// Every page with something on it, and with nothing: readable in the light and the dark, at a desk and on a phone, still, light.

import assert from "node:assert/strict";

import { story } from "./stage.mjs";

const MOST_BYTES = 150_000;

await story(async ({ world, visit }) => {
  const pages = [["sign-in", "/sign-in"], ...Object.entries(world.pages)];
  for (const dark of [false, true]) {
    for (const phone of [false, true]) {
      const visitor = await visit({ dark, phone, clock: false });
      for (const [name, path] of pages) {
        const bytes = await visitor.weigh(path);
        assert.ok(bytes > 500 && bytes < MOST_BYTES, `${path} weighs ${bytes} bytes`);
        await visitor.assertStill();
        await visitor.assertAccessible();
        await visitor.picture(`${name}-${dark ? "dark" : "light"}-${phone ? "phone" : "desk"}`);
        if (name === "sign-in") await visitor.signIn();
      }
      await visitor.context.close();
    }
  }
});
