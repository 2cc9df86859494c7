import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Leases } from "../calls/leases.ts";
import { type Location, registrarStore } from "./store.ts";

/** Where devices are: in memory, and as rows that survive the process. */
export interface Locations {
  /** Those that hold now. */
  ofExtension(extensionId: string): Location[];
  ofDevice(deviceId: string): Location[];
  byFlow(flow: string, userName: string): Location | undefined;
  isKnownFlow(flow: string): boolean;
  put(location: Location): Promise<void>;
  remove(locations: Location[]): Promise<void>;
  flowClosed(flow: string): void;
  /** Devices whose extension is another one now: somebody signed in or out there. Never rejects. */
  reassign(extensionOf: ReadonlyMap<string, string>): Promise<void>;
  all(): Location[];
  /** Called with those of a phone system that another process has from now on. */
  onLeft(listener: (locations: Location[]) => void): void;
  /** Called with the extension when it gained or lost a device. Returns what ends that. */
  onChange(listener: (extensionId: string) => void): () => void;
  /** Called with phone systems whose rows say now that devices came, went, or are another's. */
  onWritten(listener: (systemIds: ReadonlySet<string>) => void): void;
  close(): void;
}

const sweepMs = 5000;
const writtenAtOnce = 50;

export async function openLocations(
  database: Database,
  log: Log,
  leases: Pick<Leases, "processId" | "has" | "all" | "onChange">,
): Promise<Locations> {
  const byId = new Map<string, Location>();
  const byExtension = new Map<string, Set<Location>>();
  const flows = new Map<string, Set<Location>>();
  const listeners = new Set<(extensionId: string) => void>();
  const writtenListeners: ((systemIds: ReadonlySet<string>) => void)[] = [];
  const leftListeners: ((locations: Location[]) => void)[] = [];

  const addTo = (map: Map<string, Set<Location>>, key: string, location: Location) => {
    const set = map.get(key) ?? new Set();
    set.add(location);
    map.set(key, set);
  };
  const takeFrom = (map: Map<string, Set<Location>>, key: string, location: Location) => {
    const set = map.get(key);
    set?.delete(location);
    if (set?.size === 0) map.delete(key);
  };
  const add = (location: Location) => {
    byId.set(location.id, location);
    addTo(byExtension, location.extensionId, location);
    addTo(flows, location.flow, location);
  };
  const drop = (location: Location) => {
    byId.delete(location.id);
    takeFrom(byExtension, location.extensionId, location);
    takeFrom(flows, location.flow, location);
  };
  const tell = (extensionIds: Iterable<string>) => {
    for (const extensionId of new Set(extensionIds)) for (const listener of listeners) listener(extensionId);
  };
  const tellWritten = (locations: readonly Location[]) => {
    const systemIds = new Set(locations.map(({ systemId }) => systemId));
    if (systemIds.size > 0) for (const listener of writtenListeners) listener(systemIds);
  };
  const holds = ({ expiresAt }: Location) => expiresAt.getTime() > Date.now();
  const ofExtension = (extensionId: string) => [...(byExtension.get(extensionId) ?? [])].filter(holds);

  async function remove(locations: Location[]): Promise<void> {
    for (const location of locations) drop(location);
    tell(locations.map(({ extensionId }) => extensionId));
    await database.transaction("system", (tx) =>
      registrarStore.remove(
        tx,
        locations.map(({ id }) => id),
      ),
    );
    tellWritten(locations);
  }
  const removeLater = (locations: Location[]) => {
    if (locations.length > 0)
      void remove(locations).catch((error) =>
        log.warn({ err: error }, "registrations that ended are not deleted; they end by themselves"),
      );
  };

  /** Those that come while others are being written share the next transaction: after a power cut all phones come at once. */
  const unwritten: { location: Location; written: PromiseWithResolvers<void> }[] = [];
  let isWriting = false;
  const save = (some: readonly Location[]) =>
    database.transaction("system", async (tx) => {
      for (const each of some) await registrarStore.put(tx, each, leases.processId);
    });
  async function writeAll(): Promise<void> {
    isWriting = true;
    while (unwritten.length > 0) {
      const batch = unwritten.splice(0, writtenAtOnce);
      const all = save(batch.map(({ location }) => location));
      // One of them may be why it fails: then each by itself.
      const saved = await all.then(
        () => true,
        () => false,
      );
      for (const { location, written } of batch)
        if (saved) written.resolve();
        else await save([location]).then(written.resolve, written.reject);
    }
    isWriting = false;
  }
  function write(location: Location): Promise<void> {
    const written = Promise.withResolvers<void>();
    unwritten.push({ location, written });
    if (!isWriting) void writeAll();
    return written.promise;
  }

  await database.transaction("system", (tx) => registrarStore.forget(tx, leases.processId));
  /** Rows outlive who wrote them: whoever serves a phone system has all of its. */
  async function load(systemId: string): Promise<void> {
    const rows = await database.transaction("system", (tx) => registrarStore.ofSystem(tx, systemId, leases.processId));
    if (!leases.has(systemId)) return;
    const known = new Set([...byId.values()].map(({ deviceId, binding }) => `${deviceId} ${binding}`));
    const fresh = rows.filter(({ deviceId, binding }) => !known.has(`${deviceId} ${binding}`));
    for (const location of fresh) add(location);
    tell(fresh.map(({ extensionId }) => extensionId));
  }
  const leave = (systemId: string) => {
    const left = [...byId.values()].filter((each) => each.systemId === systemId);
    for (const location of left) drop(location);
    for (const listener of leftListeners) listener(left);
  };
  leases.onChange((systemId, isOurs) => {
    if (!isOurs) return leave(systemId);
    void load(systemId).catch((error) =>
      log.warn({ err: error, systemId }, "the registrations of a phone system cannot be read"),
    );
  });
  for (const systemId of leases.all()) await load(systemId);
  const sweep = setInterval(() => removeLater([...byId.values()].filter((location) => !holds(location))), sweepMs).unref();

  return {
    ofExtension,
    ofDevice: (deviceId) => [...byId.values()].filter((location) => location.deviceId === deviceId && holds(location)),
    byFlow: (flow, userName) =>
      [...(flows.get(flow) ?? [])].find((location) => location.userName === userName && holds(location)),
    isKnownFlow: (flow) => flows.has(flow),
    async put(location) {
      await write(location);
      const known = [...(byExtension.get(location.extensionId) ?? [])];
      const before = known.filter(({ deviceId, binding }) => deviceId === location.deviceId && binding === location.binding);
      for (const old of before) drop(old);
      add(location);
      if (before.length > 0) return;
      tell([location.extensionId]);
      tellWritten([location]);
    },
    remove,
    flowClosed: (flow) => removeLater([...(flows.get(flow) ?? [])].filter(({ transport }) => transport !== "udp")),
    async reassign(extensionOf) {
      const moved = [...byId.values()].filter(
        ({ deviceId, extensionId }) => (extensionOf.get(deviceId) ?? extensionId) !== extensionId,
      );
      if (moved.length === 0) return;
      const told = new Set<string>();
      for (const location of moved) {
        drop(location);
        told.add(location.extensionId);
        location.extensionId = extensionOf.get(location.deviceId) as string;
        told.add(location.extensionId);
        add(location);
      }
      tell(told);
      await database
        .transaction("system", async (tx) => {
          for (const { id, extensionId } of moved) await registrarStore.reassign(tx, id, extensionId);
        })
        .then(() => tellWritten(moved))
        .catch((error) => log.warn({ err: error }, "whose phone it is now is not written down; its next registration tells"));
    },
    all: () => [...byId.values()].filter(holds),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onWritten: (listener) => void writtenListeners.push(listener),
    onLeft: (listener) => void leftListeners.push(listener),
    close: () => clearInterval(sweep),
  };
}
