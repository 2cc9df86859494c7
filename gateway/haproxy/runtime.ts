/**
 * HAProxy's runtime API (its management guide, chapter 9.3), through the socket of the master process: from there each worker can be
 * asked, those too that only end what they have. One connection for each question, as their number is small.
 */
import { connect } from "node:net";
import { CloudError } from "../../kernel/errors.ts";

export interface Worker {
  pid: number;
  /** It takes no new connection any more: a reload has put another one in its place. */
  old: boolean;
}

export interface Workers {
  master: number;
  /** How many reloads went wrong since the last one that went well. */
  failed: number;
  workers: Worker[];
}

/** A server as a worker sees it. */
export interface ServerState {
  address: string;
  port: number;
  weight: number;
  /** Taken out for good: it is only there until its last request has ended. */
  maintenance: boolean;
}

export interface Traffic {
  /** Requests, and WebSockets, that are under way. */
  current: number;
  total: number;
  /** `UP`, `DOWN`, `UP 1/3`, `MAINT`, `no check`… */
  status: string;
  check: string;
}

const answerMs = 10_000;
const answerBytes = 64 * 2 ** 20;

export class RuntimeApi {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Undefined when no master answers. */
  async workers(): Promise<Workers | undefined> {
    let text: string;
    try {
      text = await this.#ask("show proc");
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
    let old = false;
    const result: Workers = { master: 0, failed: 0, workers: [] };
    for (const line of text.split("\n")) {
      if (line.startsWith("#")) old = line.includes("old");
      const [pid, type] = line.split(/\s+/);
      if (type === "master") {
        result.master = Number(pid);
        result.failed = Number(/failed: (\d+)/.exec(line)?.[1] ?? 0);
      } else if (type === "worker") result.workers.push({ pid: Number(pid), old });
    }
    return result.master === 0 ? undefined : result;
  }

  /** The hash of the structure that a worker has read. Undefined while there is none that answers. */
  async structure(worker: Worker): Promise<string | undefined> {
    const text = await this.on(worker, "show info").catch((error) => {
      if (CloudError.is(error)) return "";
      throw error;
    });
    return /^description: (\S+)/m.exec(text)?.[1];
  }

  /** The master closes the connection and becomes a new one of itself: no answer is an answer. */
  async reload(): Promise<void> {
    await this.#ask("reload").catch((error) => {
      if (!isAbsent(error)) throw error;
    });
  }

  /** What it says, which may be that it does not want to. `payload` may have no empty line. */
  on(worker: Worker, command: string, payload?: string): Promise<string> {
    return this.#ask(`@!${worker.pid} ${command}`, payload);
  }

  /** As `on`, for commands whose success is silence or one of these words; else `unavailable` with what it said. */
  async change(worker: Worker, command: string, options: { success?: RegExp; payload?: string } = {}): Promise<void> {
    const answer = (await this.on(worker, command, options.payload)).trim();
    if (answer === "" || options.success?.test(answer)) return;
    throw new CloudError("unavailable", "The gateway did not take a change.", {
      cause: new Error(`${command}: ${answer.slice(0, 500)}`),
      details: { reason: "gateway_refused" },
    });
  }

  async map(worker: Worker, path: string): Promise<Map<string, string>> {
    const map = new Map<string, string>();
    for (const line of (await this.on(worker, `show map ${path}`)).split("\n")) {
      const [id, key, value] = line.split(" ");
      if (id?.startsWith("0x") && key !== undefined && value !== undefined) map.set(key, value);
    }
    return map;
  }

  /** By backend, then by name. */
  async servers(worker: Worker): Promise<Map<string, Map<string, ServerState>>> {
    const backends = new Map<string, Map<string, ServerState>>();
    const [, head = "", ...lines] = (await this.on(worker, "show servers state")).split("\n");
    const names = head.replace(/^# /, "").split(" ");
    const column = (name: string) => names.indexOf(name);
    const [be, name, address, port, weight, admin] = [
      column("be_name"),
      column("srv_name"),
      column("srv_addr"),
      column("srv_port"),
      column("srv_uweight"),
      column("srv_admin_state"),
    ];
    for (const line of lines.filter(Boolean)) {
      const values = line.split(" ");
      const value = (index: number) => values[index] ?? "";
      const servers = backends.get(value(be)) ?? new Map<string, ServerState>();
      backends.set(value(be), servers);
      servers.set(value(name), {
        address: value(address),
        port: Number(value(port)),
        weight: Number(value(weight)),
        maintenance: (Number(value(admin)) & 1) !== 0,
      });
    }
    return backends;
  }

  /** By `backend/server`; `backend/BACKEND` is the whole of it. */
  async traffic(worker: Worker): Promise<Map<string, Traffic>> {
    const [head = "", ...lines] = (await this.on(worker, "show stat -1 6 -1")).split("\n");
    const names = head.replace(/^# /, "").split(",");
    const result = new Map<string, Traffic>();
    for (const line of lines.filter(Boolean)) {
      const values = line.split(",");
      const value = (name: string) => values[names.indexOf(name)] ?? "";
      result.set(`${value("pxname")}/${value("svname")}`, {
        current: Number(value("scur")),
        total: Number(value("stot")),
        status: value("status"),
        check: value("check_status"),
      });
    }
    return result;
  }

  #ask(command: string, payload?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#socket);
      const answer: Buffer[] = [];
      let bytes = 0;
      const timer = setTimeout(() => socket.destroy(silent(command)), answerMs);
      // The master closes when it has answered and we have closed our half.
      socket.on("connect", () => socket.end(payload === undefined ? `${command}\n` : `${command} <<\n${payload.trimEnd()}\n\n`));
      socket.on("data", (chunk: Buffer) => {
        answer.push(chunk);
        bytes += chunk.length;
        if (bytes > answerBytes) socket.destroy(silent(command));
      });
      socket.on("error", reject);
      socket.on("close", () => {
        clearTimeout(timer);
        resolve(Buffer.concat(answer).toString());
      });
    });
  }
}

const silent = (command: string): CloudError =>
  new CloudError("unavailable", "The gateway does not answer.", { cause: new Error(command.split(" ").slice(0, 3).join(" ")) });

const isAbsent = (error: unknown): boolean =>
  ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes((error as NodeJS.ErrnoException).code ?? "");
