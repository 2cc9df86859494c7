import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import { loadPlan, type PhonePlan } from "../plan.ts";
import { planChannel, systemStore } from "../systems/store.ts";
import type { Leases } from "./leases.ts";

/** The plans of all phone systems that are served here, kept as new as they are told of. A call keeps the one it began with. */
export interface Plans {
  of(systemId: string): PhonePlan | undefined;
  /** At least as new as this version, which somebody has seen: we may be told of it a moment later. */
  fresh(systemId: string, version: number): Promise<PhonePlan | undefined>;
  /** As new as the database has it now. */
  newest(systemId: string): Promise<PhonePlan | undefined>;
  all(): PhonePlan[];
  /** Called with the new plan; undefined when the system is gone. */
  onChange(listener: (systemId: string, plan: PhonePlan | undefined) => void): void;
  close(): Promise<void>;
}

/** `prepare` fetches what calls need beside the plan; they wait for it, and go on without what could not be fetched. */
export async function openPlans(
  database: Database,
  log: Log,
  leases: Leases,
  prepare: (plan: PhonePlan) => Promise<void>,
): Promise<Plans> {
  const plans = new Map<string, PhonePlan>();
  const listeners: ((systemId: string, plan: PhonePlan | undefined) => void)[] = [];
  const reading = new Map<string, Promise<void>>();

  async function read(systemId: string): Promise<void> {
    const isOurs = await leases.serves(systemId);
    const plan = isOurs ? await database.transaction("system", (tx) => loadPlan(tx, systemId)) : undefined;
    if (plan) {
      await prepare(plan).catch((error) => log.warn({ err: error, systemId }, "a phone system's own words cannot be fetched"));
      plans.set(systemId, plan);
    } else plans.delete(systemId);
    for (const listener of listeners) listener(systemId, plan);
  }
  /** One after the other for each system, so that an older one never comes last. */
  function readAgain(systemId: string): void {
    const before = reading.get(systemId) ?? Promise.resolve();
    const next = before
      .then(() => read(systemId))
      .catch((error) => log.warn({ err: error, systemId }, "a phone system's plan cannot be read"));
    reading.set(systemId, next);
    void next.finally(() => reading.get(systemId) === next && reading.delete(systemId));
  }
  /** Also after a reconnect, when something may have been missed. */
  async function readChanged(): Promise<void> {
    const versions = await database.transaction("system", (tx) => systemStore.versions(tx));
    const known = new Set(versions.map(({ id }) => id));
    for (const { id, planVersion } of versions)
      if ((plans.get(id)?.version ?? 0) !== (leases.has(id) ? planVersion : 0)) readAgain(id);
    for (const id of plans.keys()) if (!known.has(id)) readAgain(id);
    await Promise.all(reading.values());
  }
  async function fresh(systemId: string, version: number): Promise<PhonePlan | undefined> {
    if ((plans.get(systemId)?.version ?? 0) < version) {
      readAgain(systemId);
      await reading.get(systemId);
    }
    return plans.get(systemId);
  }
  /** Phone systems that were asked about since the last question was asked, which is one for all of them: it must be asked after their calls began. */
  let wanted = new Set<string>();
  let asked: Promise<unknown> = Promise.resolve();
  let next: Promise<Map<string, number>> | undefined;
  async function versionOf(systemId: string): Promise<number> {
    wanted.add(systemId);
    next ??= asked.then(() => {
      const ids = [...wanted];
      wanted = new Set();
      next = undefined;
      const answer = database.statement((sql) => systemStore.planVersions(sql, ids));
      asked = answer.catch(() => {});
      return answer;
    });
    return (await next).get(systemId) ?? 0;
  }
  leases.onChange((systemId) => readAgain(systemId));
  const listener = await database.listen(
    planChannel,
    (payload) => readAgain(payload.split(" ")[0] as string),
    () => void readChanged().catch((error) => log.warn({ err: error }, "phone systems cannot be read")),
  );
  await readChanged();
  return {
    of: (systemId) => plans.get(systemId),
    fresh,
    newest: async (systemId) => fresh(systemId, await versionOf(systemId)),
    all: () => [...plans.values()],
    onChange: (each) => void listeners.push(each),
    close: () => listener.close(),
  };
}
