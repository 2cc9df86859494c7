import { Registerer, RegistererState, type UserAgent } from "sip.js";
import { cut, failWaiting, isAnswered } from "./connection.ts";
import type { PhoneState } from "./state.ts";

const expiresSeconds = 300;
const shortestPauseMs = 1000;
const longestPauseMs = 10_000;
const watchMs = 20_000;
/** With calls, which can go on nowhere else. */
const triesSameServer = 3;

/** Keeps a browser's phone at the phone system: connected, registered, and again after whatever cut it off. */
export class Registration {
  readonly #agent: UserAgent;
  readonly #registerer: Registerer;
  readonly #told: (registration: PhoneState["registration"]) => void;
  readonly #isRegistered: () => boolean;
  readonly #hasCalls: () => boolean;
  readonly #askServers: () => Promise<string[]>;
  readonly #watching: ReturnType<typeof setInterval>;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = shortestPauseMs;
  #stopped = false;
  #servers: string[];
  /** Since it was registered. */
  #attempts = 0;

  constructor(options: {
    agent: UserAgent;
    servers: string[];
    askServers: () => Promise<string[]>;
    told: (registration: PhoneState["registration"]) => void;
    isRegistered: () => boolean;
    hasCalls: () => boolean;
  }) {
    this.#agent = options.agent;
    this.#servers = options.servers;
    this.#askServers = options.askServers;
    this.#told = options.told;
    this.#isRegistered = options.isRegistered;
    this.#hasCalls = options.hasCalls;
    this.#registerer = new Registerer(this.#agent, { expires: expiresSeconds, regId: 1 });
    this.#registerer.stateChange.addListener((state) => {
      if (state === RegistererState.Registered) this.#tell("registered");
      if (state === RegistererState.Unregistered && this.#isRegistered()) this.#lost();
    });
    this.#watching = setInterval(() => void this.#watch(), watchMs);
    addEventListener("online", this.#online);
    addEventListener("offline", this.#offline);
  }

  start(): void {
    this.#tell("connecting");
    void this.#agent.start().catch(() => this.#lost());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#watching);
    clearTimeout(this.#retry);
    removeEventListener("online", this.#online);
    removeEventListener("offline", this.#offline);
    await this.#registerer.unregister().catch(() => {});
  }

  /** The connection is there. */
  register(): void {
    void this.#registerer
      .register({
        requestDelegate: {
          // After a line was cut the registration is renewed, which is no change of its state.
          onAccept: () => {
            this.#attempts = 0;
            this.#pauseMs = shortestPauseMs;
            this.#tell("registered");
          },
          onReject: ({ message }) => {
            const refused = [401, 403, 404, 407].includes(message.statusCode ?? 0);
            this.#tell(refused ? "refused" : "lost");
            if (!refused) this.#retry = setTimeout(() => void this.#moveOn(), this.#pause());
          },
        },
      })
      .catch(() => this.#lost());
  }

  /** The connection ended, and not because we ended it. */
  cutOff(): void {
    failWaiting(this.#agent);
    this.#lost();
  }

  /** Now, if it is not; never rejects. */
  async reconnect(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.#stopped) return;
    if (!this.#agent.isConnected()) await this.#connect().catch(() => this.#lost());
    else if (await isAnswered(this.#agent)) this.register();
    else cut(this.#agent);
  }

  #lost(): void {
    if (this.#stopped) return;
    this.#tell("lost");
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.reconnect(), this.#pause());
  }

  /** The connection itself would notice only minutes later. */
  readonly #offline = (): void => this.#lost();
  readonly #online = (): void => {
    this.#pauseMs = shortestPauseMs;
    void this.reconnect();
  };

  /** What is between keeps the connection for it, too. */
  async #watch(): Promise<void> {
    if (this.#agent.isConnected() && !(await isAnswered(this.#agent))) cut(this.#agent);
  }

  /** Longer each time, until it is registered. */
  #pause(): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(longestPauseMs, pauseMs * 2);
    return pauseMs;
  }

  /** To the one that has the phone system now, as the cloud says; when that does not take us, to the next. Calls are where they were. */
  async #connect(): Promise<void> {
    const tried = this.#attempts++;
    const stays = this.#hasCalls() ? triesSameServer : 0;
    if (tried < stays) return await this.#agent.reconnect();
    this.#servers = await this.#askServers().catch(() => this.#servers);
    const server = this.#servers[(tried - stays) % this.#servers.length];
    // sip.js has no way to change it, and reads it anew at each connection.
    const { configuration } = this.#agent.transport as unknown as { configuration: { server: string } };
    if (server !== undefined) configuration.server = server;
    await this.#agent.reconnect();
  }

  /** This server does not serve us any more, or not yet. Calls that run have to stay where they are. */
  async #moveOn(): Promise<void> {
    if (!this.#hasCalls() && this.#agent.isConnected()) await this.#agent.transport.disconnect().catch(() => {});
    await this.reconnect();
  }

  #tell(registration: PhoneState["registration"]): void {
    if (!this.#stopped) this.#told(registration);
  }
}
