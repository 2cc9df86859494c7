import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../../../kernel/log.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { PlanExtension } from "../plan.ts";
import type { Call } from "./call.ts";
import { nameOf } from "./directory.ts";

await installTestTools(phoneTools);

test("a colleague who has recorded no name is named all the same, by text to speech", async () => {
  const folder = await mkdtemp(join(tmpdir(), "khmara-names-"));
  try {
    const board = { folder, log: silentLog, database: { transaction: async () => undefined } };
    const call = { board, language: "en" } as unknown as Call;
    for (const name of ["Olena", "Тарас"]) {
      const [saying] = await nameOf(call, { id: "e", number: "102", name } as PlanExtension);
      assert.ok(typeof saying === "object" && "file" in saying, `${name}: ${JSON.stringify(saying)}`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
