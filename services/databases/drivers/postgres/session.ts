/**
 * SQL to a server through the engine: a socket inside the container, reached by a command that the engine runs there. So no address of the
 * container has to be reachable from here, and no password is needed; whoever may do this is root of the engine anyway.
 */
import { Duplex } from "node:stream";
import type postgresTypes from "postgres";
import { postgres } from "../../../../kernel/db/postgres-client.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ContainerHost, HostSession } from "../../driver.ts";
import { paths } from "./settings.ts";

export type Sql = postgresTypes.Sql;

export interface SessionOptions extends CallOptions {
  database: string;
  /** The superuser unless said. */
  user?: string | undefined;
  timeoutSeconds?: number | undefined;
  /** Of all that the server may say; more ends the connection. 64 MiB unless said. */
  maxBytes?: number | undefined;
  /** What the server says besides. */
  onNotice?: ((severity: string, message: string) => void) | undefined;
}

const relay = ["socat", "-t", "5", "STDIO", `UNIX-CONNECT:${paths.socket}/.s.PGSQL.5432`];

/** One connection for the work, closed behind it. */
export async function withSession<T>(
  host: ContainerHost,
  container: string,
  options: SessionOptions,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const { signal, timeoutSeconds = 60, maxBytes = 64 * 1024 ** 2 } = options;
  let socket: RelaySocket | undefined;
  const deadline = AbortSignal.timeout((timeoutSeconds + 30) * 1000);
  const stop = () => socket?.destroy();
  const signals = signal ? [signal, deadline] : [deadline];
  for (const each of signals) each.addEventListener("abort", stop, { once: true });
  const settings = {
    database: options.database,
    user: options.user ?? "postgres",
    max: 1,
    fetch_types: false,
    prepare: false,
    connect_timeout: 20,
    onnotice: ({ severity, message }: { severity?: string; message?: string }) =>
      options.onNotice?.(severity ?? "NOTICE", message ?? ""),
    connection: { application_name: "khmara", statement_timeout: timeoutSeconds * 1000 },
    async socket() {
      // What was begun on the one before is lost with it.
      if (socket !== undefined) throw unreachable();
      signal?.throwIfAborted();
      socket = new RelaySocket(await host.containerOpen(container, { command: relay }), maxBytes);
      return socket;
    },
  };
  const sql = postgres(settings as never) as Sql;
  try {
    return await work(sql);
  } catch (error) {
    if (socket?.tooMuch) throw tooLarge(maxBytes);
    if (deadline.aborted) throw tooLong(timeoutSeconds);
    throw explained(error, timeoutSeconds);
  } finally {
    for (const each of signals) each.removeEventListener("abort", stop);
    await sql.end({ timeout: 0 }).catch(() => {});
    socket?.destroy();
  }
}

const unreachable = (cause?: unknown): CloudError =>
  new CloudError("unavailable", "The database does not take connections at the moment. Try again in a few seconds.", {
    cause,
    details: { retryAfterSeconds: 3 },
  });
const tooLong = (seconds: number): CloudError =>
  new CloudError(
    "deadline_exceeded",
    `The statement took more than ${seconds} seconds and was ended. Ask for less, or give it more time.`,
  );
const tooLarge = (bytes: number): CloudError =>
  new CloudError(
    "payload_too_large",
    `The answer has more than ${Math.round(bytes / 1024 ** 2)} MiB. Ask for fewer or shorter columns, or use psql.`,
  );

export interface ServerError {
  name: string;
  code?: string;
  message: string;
  position?: string;
  hint?: string;
  detail?: string;
}

function explained(error: unknown, timeoutSeconds: number): unknown {
  if (error instanceof CloudError) return error;
  const { name, code = "", message, position, hint, detail } = error as ServerError;
  if (code === "57014") return tooLong(timeoutSeconds);
  // Starting, shutting down, out of connections; the class of a connection that went.
  if (/^(57P0|08|53300)|^(CONNECT|CONNECTION_|ECONN|EPIPE|ERR_STREAM)/.test(code)) return unreachable(error);
  if (name !== "PostgresError") return error;
  return new CloudError("invalid_argument", [message, detail, hint].filter((each) => each).join(" "), {
    cause: error,
    details: {
      reason: "sql_error",
      sqlState: code,
      ...(position === undefined ? {} : { position: Number(position) }),
      fields: [{ path: "body.sql", message }],
    },
  });
}

/** The streams of a command as the socket that the client wants. */
class RelaySocket extends Duplex {
  readonly #session: HostSession;
  #received = 0;
  tooMuch = false;

  constructor(session: HostSession, maxBytes: number) {
    super({ allowHalfOpen: true });
    this.#session = session;
    session.stdout.on("data", (piece: Buffer) => {
      this.#received += piece.length;
      if (this.#received > maxBytes) {
        this.tooMuch = true;
        this.destroy();
      } else if (!this.push(piece)) session.stdout.pause();
    });
    session.stdout.on("end", () => this.push(null));
    session.stdout.on("error", (error) => this.destroy(error));
    session.stdin.on("error", (error) => this.destroy(error));
    session.stderr.resume();
    session.exited.then(
      () => this.destroy(),
      () => this.destroy(),
    );
  }

  get readyState(): "open" | "closed" {
    return this.destroyed ? "closed" : "open";
  }

  override _read(): void {
    this.#session.stdout.resume();
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#session.stdin.write(piece, done);
  }

  override _final(done: () => void): void {
    this.#session.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#session.close();
    done(error);
  }
}
