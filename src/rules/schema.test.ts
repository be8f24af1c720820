import { expect, test } from "vitest";
import { makeRulesSchema } from "./schema.ts";

test("the committed JSON Schema is the one that the format's table gives", async () => {
  const text = `${JSON.stringify(makeRulesSchema(), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot("../../schema/rules.v1.json");
});
