import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../kernel/log.ts";
import { queueDefaults } from "../elements/shapes/contract.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import { chosenAgents, offer, type Place, type Queue, stateOf } from "./agents.ts";
import type { Board } from "./board.ts";

const ids = ["ann", "bob", "carl"];
const extensions = ids.map((id) => ({ id, doNotDisturb: false, devices: [{ id, enabled: true }] }) as unknown as PlanExtension);
const plan = { extensions } as PhonePlan;
const newBoard = () =>
  ({
    log: silentLog,
    partiesOf: () => [],
    locations: { ofExtension: (id: string) => [{ deviceId: id }] },
    database: { transaction: async () => {} },
    track: () => {},
  }) as unknown as Board;
const queueOf = (id: string): Queue =>
  ({
    ...queueDefaults,
    ...{ id, strategy: "in_order", wrapUpSeconds: 60 },
    agents: ids.map((extension) => ({ extension, priority: extension === "carl" ? 2 : 1 })),
    states: ids.map((extensionId) => ({ extensionId, loggedIn: true, paused: false })),
  }) as unknown as Queue;
const newPlace = (): Place => ({ since: Date.now(), rings: false, missedBy: new Set(), notBefore: 0 });

test("who did not answer a caller is called for them again only when all others did not either", async (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  const [board, queue, place] = [newBoard(), queueOf("q"), newPlace()];
  const at = { board, organisationId: "o", queue, state: stateOf(board, "q"), place };
  const rung: string[] = [];
  for (let round = 0; round < 4; round++) {
    const [agent] = chosenAgents(board, plan, queue, at.state, place) as [PlanExtension];
    rung.push(agent.id);
    await offer(at, [agent], { ring: async () => undefined, talk: async () => {} });
    context.mock.timers.tick(20_000);
  }
  assert.deepEqual(rung, ["ann", "bob", "carl", "ann"]);
});

test("who rests after a call of one queue is not called by another", async () => {
  const board = newBoard();
  const [one, other] = [queueOf("one"), queueOf("other")];
  const at = { board, organisationId: "o", queue: one, state: stateOf(board, "one"), place: newPlace() };
  const next = () => chosenAgents(board, plan, other, stateOf(board, "other"), newPlace()).map(({ id }) => id);
  assert.deepEqual(next(), ["ann"]);
  const party = { who: { extensionId: "ann" } } as never;
  await offer(at, [extensions[0] as PlanExtension], { ring: async () => party, talk: async () => {} });
  assert.deepEqual(next(), ["bob"]);
});
