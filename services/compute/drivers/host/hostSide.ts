import { join } from "node:path";
import type { Log } from "../../../../kernel/log.ts";
import type { PublishedPool } from "../../driver.ts";
import { ipBatch, nftLoad, runScript } from "./commands.ts";
import { type HostElements, type HostRulesOptions, hostChanges, hostTables } from "./hostRules.ts";
import { defaultInterfaces, outerMtu } from "./links.ts";
import type { Names } from "./names.ts";
import { checkPools, PoolsFile, poolSettings } from "./pools.ts";
import { listTables, type SettingChanges, settingChanges, tableHandles } from "./router.ts";
import { type RouterStates, readJson, writeReplacing } from "./state.ts";
import type { TransitRange } from "./transit.ts";

export interface HostSideOptions {
  names: Names;
  transit: TransitRange;
  states: RouterStates;
  outerInterfaces: readonly string[];
  openPorts: readonly number[];
  allowForwarding(): Promise<void>;
  log: Log;
}

/** How long it is believed that nobody has turned forwarding off or flushed our tables meanwhile. */
const forwardingCheckMs = 30_000;
const tablesCheckMs = 5000;

const unexpected = "khmara: other elements than expected";

interface TablesState {
  /** Of the tables that were made: they change when somebody else makes tables of that name, or none is left. */
  handles: string;
  options: string;
}

/** The host's own half: its tables, which all routers share, and the pools. One change at a time. */
export class HostSide {
  readonly #options: HostSideOptions;
  readonly #pools: PoolsFile;
  readonly #file: string;
  #forwardingAt = Number.NEGATIVE_INFINITY;
  #tablesAt = Number.NEGATIVE_INFINITY;
  #queue: Promise<unknown> = Promise.resolve();
  /** Grows whenever the tables are made from what is written down: differences from before mean nothing then. */
  generation = 0;

  constructor(options: HostSideOptions) {
    this.#options = options;
    this.#pools = new PoolsFile(options.states.directory);
    this.#file = join(options.states.directory, "host.json");
  }

  /** Interfaces that lead to the world: default routes, and where pools are. */
  outer(): string[] {
    const pools = this.#pools.read().pools.flatMap((pool) => pool.interface ?? []);
    return [...new Set([...defaultInterfaces(), ...this.#options.outerInterfaces, ...pools])].sort();
  }

  get mtu(): number {
    return outerMtu(defaultInterfaces());
  }

  isOurs = (name: string): boolean =>
    name.startsWith(`khr${this.#options.names.cloud}`) || name.startsWith(`khv${this.#options.names.cloud}`);

  /** Whether the tables are as we left them and forwarding is on; what is not is made so. */
  ensure(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#ensureForwarding();
      await this.#ensureTables();
    });
  }

  /**
   * The elements and routes of one router, in one script with what else is to be done before. Without `before`, or when the tables were
   * made anew since `generation`, they are made from what is written down of all routers.
   */
  change(request: {
    before: HostElements | undefined;
    after: HostElements;
    generation: number;
    settings: SettingChanges;
    script: string;
    /** Other members of a cluster than before: rules about them are no elements. */
    members?: boolean;
    signal?: AbortSignal | undefined;
  }): Promise<void> {
    return this.#inTurn(async () => {
      const { before } = request;
      const anew = before === undefined || request.members === true || request.generation !== this.generation;
      const script = [
        request.script,
        anew ? "" : nftLoad(hostChanges(this.#options.names, before, request.after), unexpected),
        ipBatch(request.settings.undo, { force: true }),
        ipBatch(request.settings.make),
      ].join("");
      const said = script === "" ? "" : await runScript(script, { signal: request.signal });
      // Sets that are not as they were left: whoever changed them, what is written down holds.
      if (anew || said.includes(unexpected)) await this.#rebuild();
    });
  }

  publish(pools: readonly PublishedPool[]): Promise<void> {
    return this.#inTurn(async () => {
      checkPools(pools, this.#options.transit, this.isOurs);
      await this.#ensureForwarding();
      const before = this.#pools.read();
      const settings = poolSettings(pools);
      const changes = settingChanges(before.settings, settings, true);
      this.#pools.write({ pools: [...pools], settings: [...before.settings, ...settings] });
      await runScript(ipBatch(changes.undo, { force: true }) + ipBatch(changes.make));
      this.#pools.write({ pools: [...pools], settings });
      this.#tablesAt = Number.NEGATIVE_INFINITY;
      await this.#ensureTables();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Awaited the first time; later it is looked after beside other work, as it takes several programs. */
  async #ensureForwarding(): Promise<void> {
    if (performance.now() - this.#forwardingAt < forwardingCheckMs) return;
    const first = this.#forwardingAt === Number.NEGATIVE_INFINITY;
    this.#forwardingAt = performance.now();
    const work = this.#options.allowForwarding();
    if (!first) return void work.catch((error) => this.#options.log.warn({ err: error }, "forwarding could not be looked after"));
    await work.catch((error) => {
      this.#forwardingAt = Number.NEGATIVE_INFINITY;
      throw error;
    });
  }

  async #ensureTables(): Promise<void> {
    if (performance.now() - this.#tablesAt < tablesCheckMs) return;
    const known = readJson<TablesState>(this.#file);
    const handles = known && tableHandles(await runScript(listTables), this.#tables());
    if (!known || handles !== known.handles || known.options !== this.#optionsText()) await this.#rebuild();
    this.#tablesAt = performance.now();
  }

  async #rebuild(): Promise<void> {
    this.generation++;
    const routers = this.#options.states.all().map(({ elements }) => elements);
    const rules = hostTables(this.#rulesOptions(), routers);
    const handles = tableHandles(await runScript(nftLoad(rules) + listTables), this.#tables());
    writeReplacing(this.#file, JSON.stringify({ handles: handles ?? "", options: this.#optionsText() } satisfies TablesState));
    this.#tablesAt = performance.now();
  }

  #tables(): string[] {
    const { table } = this.#options.names;
    return [`ip ${table}`, `bridge ${table}`];
  }

  #rulesOptions(): HostRulesOptions {
    const { names, transit, openPorts } = this.#options;
    const localPools = this.#pools.read().pools.flatMap(({ local, range }) => (local ? [range] : []));
    return { names, transit, openPorts, outer: this.outer(), localPools, tunnels: this.#tunnels() };
  }

  #tunnels(): HostRulesOptions["tunnels"] {
    const overlays = this.#options.states.all().flatMap((state) => Object.values(state.overlays ?? {}));
    const members = [...new Set(overlays.flatMap((overlay) => overlay.members))].sort();
    return members.length === 0 ? undefined : { ports: [...new Set(overlays.map(({ port }) => port))].sort(), members };
  }

  #optionsText(): string {
    const { names: _, transit, ...rest } = this.#rulesOptions();
    return JSON.stringify({ ...rest, transit: transit.cidr });
  }

  /** Nothing of ours is left on the host, but routers. */
  async clear(): Promise<void> {
    await this.publish([]);
    await this.#inTurn(async () => {
      const { table } = this.#options.names;
      await runScript(
        nftLoad(`add table ip ${table}\ndelete table ip ${table}\nadd table bridge ${table}\ndelete table bridge ${table}\n`),
      );
    });
  }
}
