import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../../driver.ts";
import { type Engine, findInstance } from "./engine.ts";

const lookAgainMs = 20;
const last = new WeakMap<Engine["client"], Promise<void>>();

/**
 * Makes an instance once the one before it has its range of user ids. The engine counts a container that it has written down and not
 * yet given one as if its range began at 0, and gives the next one what comes after that: ids of the host's own, which it then may not
 * use and cannot start with, or the same as to another one made at that moment (https://github.com/lxc/incus/issues/1483). What comes
 * after, such as the disk, goes on beside the next one.
 */
export async function withOwnIds<T>(engine: Engine, name: string, make: () => Promise<T>, options?: CallOptions): Promise<T> {
  const before = last.get(engine.client);
  const turn = Promise.withResolvers<void>();
  last.set(engine.client, turn.promise);
  await before;
  let over = false;
  const making = make().finally(() => {
    over = true;
    turn.resolve();
  });
  void (async () => {
    while (!over) {
      const instance = await findInstance(engine, name, options).catch(() => undefined);
      if (instance?.type === "virtual-machine" || instance?.config["volatile.idmap.base"] !== undefined) return turn.resolve();
      await sleep(lookAgainMs);
    }
  })();
  return making;
}
