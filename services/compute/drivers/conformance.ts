import { after, before, describe } from "node:test";
import { accessConformance } from "./conformance.access.ts";
import { copyConformance } from "./conformance.copies.ts";
import { imageConformance } from "./conformance.images.ts";
import { instanceConformance } from "./conformance.instances.ts";
import { type ConformanceWorld, openSuite, type Suite } from "./conformance.suite.ts";
import { volumeConformance } from "./conformance.volumes.ts";

/** What every engine has to do. */
export function computeConformance(name: string, openWorld: () => Promise<ConformanceWorld>): void {
  describe(`${name}: compute driver`, { concurrency: false, timeout: 600_000 }, () => {
    const suite = {} as Suite;
    before(async () => Object.assign(suite, await openSuite(openWorld)), { timeout: 120_000 });
    after(async () => {
      try {
        for (const { name } of (await suite.driver?.instanceList()) ?? []) await suite.driver.instanceDelete(name);
        await suite.driver?.close();
      } finally {
        await suite.world?.close();
      }
    });
    imageConformance(suite);
    instanceConformance(suite);
    accessConformance(suite);
    volumeConformance(suite);
    copyConformance(suite);
  });
}
