import { test } from "node:test";
import { startCloud } from "../../../../../testing/cloud.ts";
import { freePort } from "../../../../../testing/ports.ts";
import { installTestTools, phoneTools } from "../../../../../tools/test-tools.ts";
import { openHouse } from "../house.ts";
import { openDesks } from "./desks.ts";
import { registration } from "./registration.ts";
import { services } from "./services.ts";
import { sessions } from "./sessions.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud, { sipPort: await freePort() });
const desks = openDesks(house);

for (const [title, flows] of [
  ["registration (RFC 3665 section 2)", registration],
  ["sessions (RFC 3665 section 3)", sessions],
  ["services (RFC 5359)", services],
] as const)
  void test(title, { concurrency: 4 }, (group) => {
    for (const [name, flow] of Object.entries(flows)) void group.test(name, () => flow(desks));
  });
