/** One call of the driver in a process that the test kills in the middle of it. */
import { silentLog } from "../../../../kernel/log.ts";
import { openLxdDriver } from "./index.ts";

const { options, call, words } = JSON.parse(process.argv[2] ?? "") as {
  options: { endpoint: string; pool: string; engineProject: string };
  call: "instanceCreate" | "instanceClone" | "instanceRestore" | "instanceRebuild";
  words: unknown[];
};
const driver = await openLxdDriver({ ...options, log: silentLog });
process.stdout.write("begun\n");
await (driver[call] as (...all: unknown[]) => Promise<void>)(...words);
await driver.close();
