/**
 * git over SSH (RFC 4252 to 4254; git-upload-pack(1), git-receive-pack(1)): `ssh://git@<host>:<port>/<project>/<app>.git`. People come with
 * keys of their account, with their own roles, to the same repositories as over HTTP. Nothing but git is there: no shell, no files, no forwarding.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import type { AuthContext, Connection, PublicKeyAuthContext, Server, ServerChannel, Session } from "ssh2";
import { CloudError } from "../../../kernel/errors.ts";
import { toCloudError } from "../../../kernel/http/errors.ts";
import type { AppsParts } from "../parts.ts";
import { ReadCommands } from "./commands.ts";
import { isProtocol } from "./door.ts";
import { type Git, type GitCaller, repositoryName, transferMs } from "./git.ts";
import { endOf, type GitService, serveGit } from "./repository.ts";
import { flush, HoldLastFlush, progressPackets } from "./sideband.ts";

export interface SshDoor {
  /** Resolves with the port, which is another than asked for when that is 0. */
  listen(address: string, port: number): Promise<number>;
  /** Lets transfers end for so long, then cuts everything off. */
  close(patienceMs: number): Promise<void>;
}

const mostConnections = 100;
/** Of one address, before it is known who it is. */
const mostUnknownOfAddress = 20;
/** Until it is known who comes: time, keys that are offered, and bytes. */
const unknownMs = 30_000;
const mostOffers = 10;
const mostUnknownBytes = 256 * 1024;
/** A connection on which nothing happens. */
const idleMs = 60_000;
const mostSessions = 8;
/** Of what was sent and git has not read yet: twice the window that is given, which the library does not hold clients to. */
const mostUnreadBytes = 4 * 1024 ** 2;
/** Of what the client has not read yet; then git waits. */
const mostUnsentBytes = 1024 ** 2;

/** Those of OpenSSH without what is weak (RFC 9142), and without compression. */
const algorithms = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha256",
  ],
  serverHostKey: ["ssh-ed25519"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
  compress: ["none"],
} as const;

/** What a connection has of its own. */
interface Client {
  socket: Socket;
  address: string;
  /** Whose key was shown; undefined until then. */
  fingerprint: string | undefined;
  channels: Set<ServerChannel>;
  /** Commands that are at work. */
  busy: number;
  idle: NodeJS.Timeout;
}

/** `hostKey`: the server's own, private, as OpenSSH writes it. */
export async function openSshDoor(
  { identity, log }: Pick<AppsParts, "identity" | "log">,
  git: Git,
  { hostKey }: { hostKey: string },
): Promise<SshDoor> {
  const { default: ssh2 } = await import("ssh2");
  const clients = new Map<string, Client>();
  let closing = false;

  const ssh: Server = new ssh2.Server({
    hostKeys: [hostKey],
    ident: "Khmara",
    algorithms: algorithms as unknown as NonNullable<ConstructorParameters<typeof Server>[0]["algorithms"]>,
  });
  ssh.on("connection", (connection, { ip, port }) => {
    const client = clients.get(`${ip}:${port}`);
    if (client === undefined) return void connection.end();
    connection.on("error", (error) => log.debug({ err: error, address: client.address }, "an SSH connection broke"));
    serve(connection, client);
  });
  const listener = createServer((socket) => {
    const address = socket.remoteAddress ?? "";
    const unknown = [...clients.values()].filter((each) => each.fingerprint === undefined && each.address === address).length;
    if (closing || clients.size >= mostConnections || unknown >= mostUnknownOfAddress) return void socket.destroy();
    const key = `${address}:${socket.remotePort}`;
    const client: Client = {
      socket,
      address,
      fingerprint: undefined,
      channels: new Set(),
      busy: 0,
      idle: setTimeout(() => socket.destroy(), unknownMs),
    };
    clients.set(key, client);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      clearTimeout(client.idle);
      clients.delete(key);
    });
    socket.on("data", () => {
      const isTooMuch =
        client.fingerprint === undefined
          ? socket.bytesRead > mostUnknownBytes
          : [...client.channels].some((channel) => channel.readableLength > mostUnreadBytes);
      if (isTooMuch) socket.destroy();
    });
    socket.setNoDelay(true);
    ssh.injectSocket(socket);
  });

  const rest = (client: Client): void => {
    clearTimeout(client.idle);
    if (client.busy === 0 && !client.socket.destroyed) client.idle = setTimeout(() => client.socket.destroy(), idleMs);
  };

  function serve(connection: Connection, client: Client): void {
    let offers = 0;
    connection.on("authentication", (context) => {
      if (context.method === "publickey" && ++offers > mostOffers) return void connection.end();
      authenticate(context).then(
        (fingerprint) => {
          if (fingerprint === undefined) return context.reject(["publickey"]);
          if (isSigned(context)) client.fingerprint = fingerprint;
          context.accept();
        },
        (error: unknown) => {
          log.error({ err: error }, "who comes over SSH cannot be told");
          connection.end();
        },
      );
    });
    connection.on("ready", () => rest(client));
    connection.on("request", (_accept, reject) => reject?.());
    connection.on("session", (accept, reject) => {
      if (client.channels.size >= mostSessions || closing) return void reject();
      converse(accept(), client);
    });
  }

  /** The fingerprint of a key of somebody's; a signature of it is right. */
  async function authenticate(context: AuthContext): Promise<string | undefined> {
    if (context.method !== "publickey") return undefined;
    const fingerprint = `SHA256:${createHash("sha256").update(context.key.data).digest("base64").replace(/=+$/, "")}`;
    const found = await identity.sshKey(fingerprint);
    if (found === undefined) return undefined;
    const { signature, blob, hashAlgo } = context as PublicKeyAuthContext & { hashAlgo?: string };
    if (signature === undefined) return fingerprint;
    const key = ssh2.utils.parseKey(found.publicKey);
    if (key instanceof Error || blob === undefined) return undefined;
    // SHA-1 is no longer worth anything (RFC 8332).
    if (key.type === "ssh-rsa" && hashAlgo !== "sha256" && hashAlgo !== "sha512") return undefined;
    return key.verify(blob, signature, hashAlgo) === true ? fingerprint : undefined;
  }

  function converse(session: Session, client: Client): void {
    let protocol: string | undefined;
    session.on("env", (accept, reject, { key, val }) => {
      if (key !== "GIT_PROTOCOL" || !isProtocol(String(val))) return void reject?.();
      protocol = String(val);
      accept?.();
    });
    session.on("pty", (accept) => accept?.());
    session.on("shell", (accept) => void run(accept(), client, undefined, protocol));
    session.on("exec", (accept, _reject, { command }) => void run(accept(), client, command, protocol));
  }

  async function run(channel: ServerChannel, client: Client, command: string | undefined, protocol: string | undefined) {
    client.busy++;
    clearTimeout(client.idle);
    client.channels.add(channel);
    channel.once("close", () => client.channels.delete(channel));
    channel.on("error", (error: unknown) => log.debug({ err: error }, "a channel of SSH broke"));
    let code = 0;
    try {
      // Roles and suspensions count as they are now, not as they were when the connection began.
      const found = await identity.sshKey(client.fingerprint ?? "", { used: true });
      if (found === undefined) throw new CloudError("unauthenticated", "This key is nobody's any more.");
      const caller = { principal: found.principal, sourceIp: client.address };
      if (command === undefined) code = greet(channel, caller);
      else await transfer(channel, client, caller, command, protocol);
    } catch (error) {
      const problem = toCloudError(error);
      code = 128;
      if (!channel.destroyed && channel.writable) channel.stderr.write(`Khmara: ${problem.message}\n`);
      if (problem.code === "internal" && !channel.destroyed) log.error({ err: error }, "git's door for SSH failed");
    } finally {
      if (channel.writable) {
        channel.exit(code);
        channel.end();
      }
      client.busy--;
      rest(client);
    }
  }

  function greet(channel: ServerChannel, { principal }: GitCaller): number {
    channel.write(
      `Hi ${printable(principal.name)}! Your key works. There is no shell here, only git: see your app in the console.\r\n`,
    );
    return 1;
  }

  async function transfer(
    channel: ServerChannel,
    client: Client,
    caller: GitCaller,
    command: string,
    protocol: string | undefined,
  ): Promise<void> {
    const { service, name } = readCommand(command);
    const leave = git.enter();
    try {
      const { app, folder } = await git.open(caller, service, name);
      const gone = new AbortController();
      channel.once("close", () => gone.abort());
      const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(transferMs)]);
      const say = async (bytes: Buffer): Promise<void> => {
        if (!channel.write(bytes)) await once(channel, "drain", { signal });
        // The library writes on, however little is read.
        if (client.socket.writableLength > mostUnsentBytes) await once(client.socket, "drain", { signal });
      };
      const asked = new ReadCommands();
      const last = new HoldLastFlush({ advertised: true });
      const child = serveGit(folder, service, { part: "all", protocol, signal });
      const ended = endOf(child);
      // git may have read enough before all was sent: that is no failure of the transfer.
      const input = service === "git-receive-pack" ? [channel, asked, child.stdin] : [channel, child.stdin];
      void pipeline(input as never).catch((error) => log.debug({ err: error }, "what was sent to git ended early"));
      const output = service === "git-receive-pack" ? child.stdout.pipe(last) : child.stdout;
      try {
        for await (const bytes of output) await say(bytes as Buffer);
        await ended;
      } catch (error) {
        child.kill("SIGKILL");
        // Whoever went away at this moment may have pushed all the same.
        if (asked.commands.length > 0) {
          await ended.catch(() => {});
          await git.deploy(app, caller, asked.commands);
        }
        throw error;
      }
      if (asked.commands.length === 0) return void (last.held && (await say(flush)));
      const outcomes = await git.deploy(app, caller, asked.commands);
      if (last.held && asked.sideBand)
        for await (const text of git.words(outcomes, signal)) for (const each of progressPackets(text)) await say(each);
      if (last.held) await say(flush);
    } finally {
      leave();
    }
  }

  return {
    listen: (address, port) =>
      new Promise((resolve, reject) => {
        listener.once("error", reject);
        listener.listen({ host: address, port }, () => {
          listener.off("error", reject);
          listener.on("error", (error) => log.error({ err: error }, "git's door for SSH does not listen any more"));
          resolve((listener.address() as AddressInfo).port);
        });
      }),

    async close(patienceMs) {
      closing = true;
      const closed = new Promise((resolve) => listener.close(resolve));
      const isQuiet = () => [...clients.values()].every(({ busy }) => busy === 0);
      for (const until = Date.now() + patienceMs; !isQuiet() && Date.now() < until; )
        await new Promise((resolve) => setTimeout(resolve, 50));
      for (const { socket } of clients.values()) socket.destroy();
      await closed;
    },
  };
}

const isSigned = (context: AuthContext): boolean => context.method === "publickey" && context.signature !== undefined;

/** Of a name that somebody gave themselves: nothing that moves the cursor of a terminal. */
const printable = (text: string): string => text.replace(/\p{C}/gu, "");

/** What git asks a server to run: `git-receive-pack '/shop/web.git'`. */
export function readCommand(command: string): { service: GitService; name: { project: string | undefined; app: string } } {
  const [, verb, , path = ""] = /^git[ -](upload-pack|receive-pack) +(['"]?)(?:\/|~\/)?([^'"\s]+?)\/?\2$/.exec(command) ?? [];
  if (verb === undefined)
    throw new CloudError(
      "permission_denied",
      "Only git is spoken here: clone, fetch and push. There is no shell, and there are no files.",
    );
  const name = repositoryName(path);
  if (name === undefined)
    throw new CloudError("not_found", "There is no repository here. The address is ssh://git@<host>:<port>/<project>/<app>.git");
  return { service: `git-${verb}` as GitService, name };
}
