/** What tabs of one browser tell each other: one of them has the phone, the others show it and ask it. */
export type TabMessage<State, Command> =
  | { kind: "state"; state: State }
  | { kind: "command"; command: Command }
  | { kind: "ask" };

/**
 * One tab holds the lock of a name and does the work (Web Locks); when it closes, another gets it. `take` is for a person who wants it here: the tab
 * that had it is told by its lock being stolen.
 */
export class Tabs<State, Command> {
  readonly #name: string;
  readonly #channel: BroadcastChannel;
  #release: (() => void) | undefined;
  #stopped = false;

  constructor(
    name: string,
    on: {
      leads: () => void;
      follows: () => void;
      message: (message: TabMessage<State, Command>) => void;
    },
  ) {
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<TabMessage<State, Command>>) => on.message(data);
    this.#on = on;
    this.#wait({});
  }
  readonly #on: { leads: () => void; follows: () => void };

  tell(message: TabMessage<State, Command>): void {
    if (!this.#stopped) this.#channel.postMessage(message);
  }

  /** Here from now on. */
  take(): void {
    if (this.#release === undefined) this.#wait({ steal: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#release?.();
    this.#channel.close();
  }

  #wait(options: LockOptions): void {
    void navigator.locks
      .request(this.#name, options, () => {
        if (this.#stopped) return undefined;
        this.#on.leads();
        return new Promise<void>((done) => {
          this.#release = done;
        });
      })
      .catch(() => {
        // Stolen by another tab: from now on we wait for it like everybody else.
        this.#release = undefined;
        if (this.#stopped) return;
        this.#on.follows();
        this.#wait({});
      });
  }
}
