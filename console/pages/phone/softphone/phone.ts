import { askServers, type PhoneAccount } from "./account.ts";
import { type Problem, problemOf } from "./causes.ts";
import type { PhoneEngine } from "./engine.ts";
import { after, type Cause, idle, isLive, type PhoneCommand, type PhoneEvent, type PhoneState, ringing, steps } from "./state.ts";
import { Tabs } from "./tabs.ts";
import { Tones } from "./tones.ts";

/** How long a call that is over says why. */
const lastWordMs = { usual: 2500, refused: 7000, microphone: 30_000 };

/** These wait for nothing: not for the other side to agree to a hold. */
const atOnce: readonly PhoneCommand["kind"][] = ["hangUp", "mute", "tones", "show"];

/** Where the phone is: in this tab, in another of this browser, or nowhere yet. */
export type Seat = "here" | "elsewhere" | "none";
export interface PhoneView extends PhoneState {
  seat: Seat;
  /** What a step failed with. */
  problem?: Problem;
}

/**
 * The phone of this browser, apart from any component: it goes on while one looks at other pages. In the tab that has it, the engine runs; the
 * others show the same and send what a person wants to it.
 */
export class Phone {
  readonly #open: (anew: boolean) => Promise<PhoneAccount>;
  readonly #listeners = new Set<() => void>();
  readonly #heard = new Set<(event: PhoneEvent, state: PhoneState) => void>();
  readonly #tabs: Tabs<PhoneState, PhoneCommand>;
  readonly #tones = new Tones();
  #view: PhoneView = { ...idle, seat: "none" };
  #engine: PhoneEngine | undefined;
  #queue: Promise<void> = Promise.resolve();
  #turn = 0;
  #renewed = false;

  constructor(name: string, open: (anew: boolean) => Promise<PhoneAccount>) {
    this.#open = open;
    this.#tabs = new Tabs<PhoneState, PhoneCommand>(name, {
      leads: () => void this.#start(),
      follows: () => this.#leave("elsewhere"),
      message: (message) => {
        if (message.kind === "state" && this.#engine === undefined) this.#show({ ...message.state, seat: "elsewhere" });
        if (message.kind === "command" && this.#engine) this.run(message.command);
        if (message.kind === "ask" && this.#engine) this.#tellOthers();
      },
    });
    this.#tabs.tell({ kind: "ask" });
    addEventListener("beforeunload", this.#beforeUnload);
    addEventListener("pagehide", this.#pageHide);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly view = (): PhoneView => this.#view;
  /** What happens, in the tab where it happens. */
  onEvent(heard: (event: PhoneEvent, state: PhoneState) => void): () => void {
    this.#heard.add(heard);
    return () => this.#heard.delete(heard);
  }
  pictures(id: string): ReturnType<PhoneEngine["pictures"]> {
    return this.#engine?.pictures(id);
  }

  /** Does what a person wants, in the tab that has the phone; one thing after the other. */
  run(command: PhoneCommand): void {
    if (this.#engine === undefined) {
      this.#tabs.tell({ kind: "command", command });
      return;
    }
    const work = () => this.#work(command);
    if (atOnce.includes(command.kind)) void work();
    else this.#queue = this.#queue.then(work);
  }

  async #work(command: PhoneCommand): Promise<void> {
    for (const step of steps(this.#view, command)) {
      try {
        await this.#engine?.run(step);
      } catch (error) {
        return this.#problem(problemOf(step.kind, error));
      }
    }
    this.#problem(undefined);
  }

  /** Takes the phone from another tab. Its calls end there: sound cannot move between tabs. */
  takeHere(): void {
    this.#tabs.take();
  }

  stop(): void {
    removeEventListener("beforeunload", this.#beforeUnload);
    removeEventListener("pagehide", this.#pageHide);
    this.#tabs.stop();
    this.#leave("none");
  }

  async #start(): Promise<void> {
    const turn = ++this.#turn;
    this.#show({ ...idle, registration: "connecting", seat: "here" });
    try {
      const [account, { PhoneEngine: Engine }] = await Promise.all([this.#open(this.#renewed), import("./engine.ts")]);
      if (turn !== this.#turn) return;
      this.#engine = new Engine({
        account,
        askServers: () => askServers(account.extensionId),
        instance: instanceOf(account.userName),
        told: (event) => turn === this.#turn && this.#told(event),
        state: () => this.#view,
      });
      this.#engine.start();
    } catch {
      if (turn !== this.#turn) return;
      this.#show({ ...idle, registration: "lost", seat: "here", problem: "account" });
      setTimeout(() => turn === this.#turn && void this.#start(), 15_000);
    }
  }

  #leave(seat: Seat): void {
    this.#turn++;
    this.#tones.play(undefined);
    void this.#engine?.stop();
    this.#engine = undefined;
    this.#show({ ...idle, seat });
    this.#tabs.tell({ kind: "ask" });
  }

  #told(event: PhoneEvent): void {
    this.#show({ ...after(this.#view, event), seat: "here", ...(this.#view.problem ? { problem: this.#view.problem } : {}) });
    for (const heard of this.#heard) heard(event, this.#view);
    if (event.kind === "ended") {
      setTimeout(() => this.#told({ kind: "forgotten", id: event.id }), lastWordMs[patienceFor(event.cause)]);
    }
    if (event.kind === "registration") this.#registered(event.registration);
    this.#tones.play(toneOf(this.#view));
    this.#tellOthers();
  }

  /** Credentials live for a while; refused ones are asked for anew, once. */
  #registered(registration: PhoneState["registration"]): void {
    if (registration === "registered") this.#renewed = false;
    if (registration !== "refused" || this.#renewed || this.#view.calls.some(isLive)) return;
    this.#renewed = true;
    void this.#engine?.stop();
    this.#engine = undefined;
    void this.#start();
  }

  #tellOthers(): void {
    const { registration, calls, shown } = this.#view;
    this.#tabs.tell({ kind: "state", state: { registration, calls, ...(shown ? { shown } : {}) } });
  }

  #problem(problem: Problem | undefined): void {
    const { problem: _, ...view } = this.#view;
    this.#show(problem ? { ...view, problem } : view);
  }

  #show(view: PhoneView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }

  readonly #beforeUnload = (event: BeforeUnloadEvent): void => {
    if (this.#engine && this.#view.calls.some(isLive)) event.preventDefault();
  };
  readonly #pageHide = (event: PageTransitionEvent): void => {
    // Kept by the browser for "back", it must not keep the lock.
    if (!event.persisted) this.#tabs.stop();
  };
}

/** How long the end of a call has to be read: what somebody has to do first takes longest. */
function patienceFor(cause: Cause): keyof typeof lastWordMs {
  if (/microphone/.test(cause)) return "microphone";
  return cause === "ended" || cause === "cancelled" || cause === "elsewhere" ? "usual" : "refused";
}

function toneOf(view: PhoneView): Parameters<Tones["play"]>[0] {
  const speaks = view.calls.some((call) => call.state === "active");
  if (ringing(view).length > 0) return speaks ? "waiting" : "ring";
  if (!speaks && view.calls.some(({ state, earlyMedia }) => state === "progress" && !earlyMedia)) return "ringback";
  return undefined;
}

/** The same device after a reload: its registration replaces the one before (RFC 5626). */
function instanceOf(userName: string): string {
  const key = `khmara.phone.instance.${userName}`;
  const known = localStorage.getItem(key);
  if (known) return known;
  const made = crypto.randomUUID();
  localStorage.setItem(key, made);
  return made;
}
