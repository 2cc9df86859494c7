import { EventEmitter } from "node:events";
import type { Emits, OutgoingEvents } from "../ports.ts";

type Listener = (...args: unknown[]) => void;

/** node's EventEmitter, behind the events of sessions, with listeners that may fail: at once, or by a promise. */
export abstract class Emitting implements Emits<OutgoingEvents> {
  readonly #emitter = new EventEmitter({ captureRejections: true });

  constructor() {
    const emitter = this.#emitter as EventEmitter & Record<symbol, unknown>;
    emitter[EventEmitter.captureRejectionSymbol] = (error: unknown, event: string, ...args: unknown[]) =>
      this.listenerFailed(error, event, args[0]);
  }

  /** `subject` is what the event was about. */
  protected abstract listenerFailed(error: unknown, event: string, subject: unknown): void;

  on<Name extends keyof OutgoingEvents>(event: Name, listener: (...args: OutgoingEvents[Name]) => void): this {
    this.#emitter.on(event, listener as Listener);
    return this;
  }

  once<Name extends keyof OutgoingEvents>(event: Name, listener: (...args: OutgoingEvents[Name]) => void): this {
    this.#emitter.once(event, listener as Listener);
    return this;
  }

  off<Name extends keyof OutgoingEvents>(event: Name, listener: (...args: OutgoingEvents[Name]) => void): this {
    this.#emitter.off(event, listener as Listener);
    return this;
  }

  /** Nothing is told any more. Transactions keep a session for half a minute after its end; what its listeners belong to is let go. */
  protected silence(): void {
    this.#emitter.removeAllListeners();
  }

  /** True: someone listened. */
  protected tell<Name extends keyof OutgoingEvents>(event: Name, ...args: OutgoingEvents[Name]): boolean {
    try {
      return this.#emitter.emit(event, ...args);
    } catch (error) {
      this.listenerFailed(error, event, args[0]);
      return true;
    }
  }
}
