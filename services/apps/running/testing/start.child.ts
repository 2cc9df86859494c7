/** A control plane that starts a release and is killed in the middle of it: after so many calls of one kind to the engine. */
import { openDatabase } from "../../../../kernel/db/database.ts";
import { silentLog } from "../../../../kernel/log.ts";
import { openDockerEngine } from "../../drivers/docker/index.ts";
import type { AppsParts, AppView, ReleaseView } from "../../parts.ts";
import { createRunning } from "../area.ts";

interface Orders {
  databaseUrl: string;
  socket: string;
  cloudId: string;
  directory: string;
  app: AppView;
  release: ReleaseView;
  kill: { call: "networkCreate" | "containerCreate" | "containerStart"; when: "before" | "after"; times: number };
}

const orders = JSON.parse(process.argv[2] ?? "") as Orders;
const engine = openDockerEngine({ address: { endpoint: orders.socket }, cloudId: orders.cloudId });
let left = orders.kill.times;
const die = () => process.kill(process.pid, "SIGKILL");
const dying = new Proxy(engine, {
  get(target, name) {
    const call = Reflect.get(target, name);
    if (name !== orders.kill.call || typeof call !== "function") return call;
    return async (...words: unknown[]) => {
      const mine = --left === 0;
      if (mine && orders.kill.when === "before") die();
      const answer = await Reflect.apply(call, target, words);
      if (mine) die();
      return answer;
    };
  },
});
const parts = {
  database: openDatabase({ url: orders.databaseUrl }),
  log: silentLog,
  dataDirectory: orders.directory,
  engine: () => dying,
  deploying: { find: async () => orders.app, release: async () => orders.release },
} as unknown as AppsParts;
await createRunning(parts).part.start(orders.release.id);
process.exit(0);
