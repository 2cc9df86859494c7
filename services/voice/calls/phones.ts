import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import { openPassword } from "../extensions/credentials.ts";
import { serveCommands } from "../live/commands.ts";
import { startCoturn } from "../media/coturn.ts";
import type { EmbeddedOptions, EngineFigures, MediaEngine, RtpengineAddress } from "../media/engine.ts";
import { openMediaEngine } from "../media/openEngine.ts";
import { turnSecret } from "../media/turn.ts";
import type { PhonePlan } from "../plan.ts";
import { openAdmission } from "../registrar/admission.ts";
import { type KeepAlive, openKeepAlive } from "../registrar/keepAlive.ts";
import { type Locations, openLocations } from "../registrar/locations.ts";
import { tellPresences } from "../registrar/presences.ts";
import { createRegistrar } from "../registrar/registrar.ts";
import type { Location } from "../registrar/store.ts";
import { openDigestServer } from "../sip/digest.ts";
import type { Binding, IncomingRequest, SipStack } from "../sip/ports.ts";
import { openSipStack } from "../sip/stack.ts";
import type { Call } from "./call.ts";
import { resumeCallbacks } from "./callbacks.ts";
import { openChat } from "./chat.ts";
import { createCommandActions } from "./commandActions.ts";
import { commandHandler } from "./commands.ts";
import { follow } from "./destinations.ts";
import { openLamps } from "./lamps.ts";
import { openLeases } from "./leases.ts";
import { openPlans } from "./plans.ts";
import { closeLeft } from "./recorder.ts";
import { fetchOwnWords } from "./spoken.ts";
import { createSwitchboard } from "./switchboard.ts";
import { openTrunks, type Trunks } from "./trunks.ts";

export interface PhonesOptions {
  database: Database;
  secrets: Secrets;
  dataDirectory: string;
  publicUrl: string;
  version: string;
  /** The address of this machine that is listened on. */
  listen: string;
  /** UDP and TCP; undefined: neither, phones are in browsers only. 0 takes a free one. */
  sipPort: number | undefined;
  tlsPort?: number;
  certificate?: { cert: Buffer; key: Buffer };
  /** Where browsers reach this process themselves, by the certificate's name; 0 takes a free port of `address`. */
  wss?: { port: number; url?: string };
  /** On loopback; 0 takes a free one. */
  webSocketPort: number;
  rtpPorts: { from: number; to: number };
  /** The IP address that phones are told. */
  address: string;
  /** The one that phones of the other family (IPv6 beside IPv4) are told; `listen` is "::" then. */
  otherAddress?: string | undefined;
  /** coturn, for browsers that UDP does not reach. */
  turn?: { port: number; program: string };
  /** Where rtpengine's ng protocol listens: calls are spread over them. None: the media workers speak with phones themselves. */
  rtpengines?: readonly RtpengineAddress[];
  log: Log;
  /** The same after a restart, and no other's of this cloud; default: name of the host and port. */
  processId?: string;
  /** Media workers; by default one per processor. */
  workers?: number;
  /** For tests, which cannot wait so long. */
  admission?: { firstBlockMs: number };
  trunkRetryMs?: number;
  keepAliveMs?: number;
}

export interface Phones {
  /** Those really taken; 0: there is none. */
  sipPort: number;
  tlsPort: number;
  wssPort: number;
  webSocketPort: number;
  /** Takes no new calls; running ones may go on for so long. */
  close(options: { drainMs: number }): Promise<void>;
  /** From the next connection over TLS on; those that are there stay. */
  replaceCertificate(certificate: { cert: Buffer; key: Buffer }): void;
  /** What its media engine has to do. */
  figures(): Promise<EngineFigures>;
  /** Others serve its phone systems from now on; calls that run go on here to their end. */
  drain(): Promise<void>;
}

/** The voice process: registrar and switchboard over SIP and media. @throws what listening throws, such as EADDRINUSE */
export async function openPhones(options: PhonesOptions): Promise<Phones> {
  const { database, secrets, log } = options;
  const processId = options.processId ?? `${hostname()}:${options.sipPort ?? options.tlsPort ?? options.webSocketPort}`;
  const folder = join(options.dataDirectory, "voice", "calls", processId.replace(/[^\w.-]/g, "_"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let calls: ReadonlyMap<string, Call> = new Map();
  let webSocketUrl = options.wss?.url ?? null;
  const engine = await openMedia(options);
  const leases = await openLeases({
    ...{ database, log, processId, takenOver: closeLeft },
    busy: () => new Set([...calls.values()].map(({ plan }) => plan.system.id)),
    report: async () => ({ webSocketUrl, calls: calls.size, engine: await engine.figures() }),
  });
  const plans = await openPlans(database, log, leases, (plan) => fetchOwnWords({ database, folder }, plan));
  const locations = await openLocations(database, log, leases);
  const presences = tellPresences({ database, log, locations, systemOf: (id) => plans.of(id)?.system });
  const reassign = (plan: PhonePlan | undefined) =>
    locations.reassign(new Map(plan?.extensions.flatMap(({ id, devices }) => devices.map((device) => [device.id, id] as const))));
  for (const plan of plans.all()) await reassign(plan);
  plans.onChange((_, plan) => void reassign(plan));
  let trunks: Trunks | undefined;
  let keepAlive: KeepAlive | undefined;
  const isKnown = (flow: string) => locations.isKnownFlow(flow) || trunks?.isKnownFlow(flow) === true;
  const isProvider = (address: string) => trunks?.isProvider(address) === true;
  const admission = openAdmission({ isKnown, isProvider, ...options.admission });
  const registrar = createRegistrar({
    database,
    openPassword: (account) => openPassword(secrets, account),
    // Lives as long as the process: phones are asked once more after a restart.
    digest: openDigestServer({ key: randomBytes(32) }),
    admission,
    locations,
    serves: leases.serves,
  });
  const turn =
    options.turn &&
    startCoturn({
      ...{ ...options.turn, listen: options.listen, secret: turnSecret(secrets), log },
      addresses: [options.address, ...others(options), ...(options.rtpengines ?? []).map(({ host }) => host)],
      folder: join(options.dataDirectory, "voice", "turn"),
    });
  let stack: SipStack | undefined;
  const switchboard = await createSwitchboard({
    ...{ log, database, secrets, engine, plans, locations, registrar, folder, processId },
    stack: () => stack as SipStack,
    trunks: () => trunks as Trunks,
    keepAlive: () => keepAlive as KeepAlive,
  });
  calls = switchboard.calls;
  const opened = await openSipStack({
    bindings: bindingsOf(options),
    ...(options.certificate ? { certificate: options.certificate } : {}),
    userAgent: `Khmara/${options.version}`,
    domains: [options.address, ...others(options), ...plans.all().map(({ system }) => system.domain)],
    onInvite: (call) => switchboard.invite(call),
    onRequest: (request) => answer(request),
    onFlowClosed: (flow) => locations.flowClosed(flow),
    admit: ({ address, flow }) => admission.admits(address, flow),
    onMalformed: ({ address }) => admission.failed(address),
    onError: (error, during) => log.error({ err: error }, `${during} failed`),
  });
  stack = opened;
  const moving = moveOn(opened, locations, (extensionId) => switchboard.partiesOf(extensionId).length > 0);
  const lines = openTrunks({ database, secrets, log, plans, stack: opened, retryMs: options.trunkRetryMs });
  trunks = lines;
  keepAlive = openKeepAlive({ stack: opened, locations, everyMs: options.keepAliveMs });
  const chat = await openChat({ database, log, plans, locations, registrar, stack: opened });
  const { partiesOf, onExtension, parked } = switchboard;
  const lamps = await openLamps({ database, log, plans, locations, registrar, stack: opened, parked, partiesOf, onExtension });
  const commands = await serveCommands(database, log, processId, commandHandler(switchboard, createCommandActions(switchboard)));
  await resumeCallbacks(switchboard, follow);
  const door = await openWebSocketDoor(opened, options.webSocketPort);

  async function answer(request: IncomingRequest): Promise<void> {
    if (request.method === "REGISTER") return registrar.register(request);
    if (request.method === "OPTIONS") return present(request);
    if (request.method === "MESSAGE") return chat.receive(request);
    if (request.method === "SUBSCRIBE") return lamps.subscribe(request);
    request.respond(405, {
      headers: { Allow: "INVITE, ACK, CANCEL, BYE, REGISTER, OPTIONS, SUBSCRIBE, MESSAGE, INFO, UPDATE, PRACK, REFER" },
    });
  }

  /** Whoever looks for phone systems at addresses finds none: it is told only who knows one by its name, or is known. */
  function present(request: IncomingRequest): void {
    const { flow, address } = request.source;
    const knowsUs = plans.all().some(({ system }) => system.domain === request.uri.host);
    if (knowsUs || isKnown(flow) || isProvider(address)) request.respond(200);
    else {
      admission.failed(address);
      request.ignore();
    }
  }

  const portOf = (wanted: "udp" | "tls" | "wss") => opened.bindings.find(({ transport }) => transport === wanted)?.port ?? 0;
  const wssPort = portOf("wss");
  if (wssPort !== 0) webSocketUrl ??= `wss://${options.address}:${wssPort}/sip`;
  return {
    sipPort: portOf("udp"),
    tlsPort: portOf("tls"),
    wssPort,
    webSocketPort: door.port,
    replaceCertificate: (certificate) => opened.replaceCertificate(certificate),
    figures: () => engine.figures(),
    drain: () => leases.drain(),
    async close({ drainMs }) {
      await leases.drain().catch((error) => log.warn({ err: error }, "phone systems are given up only when their time is over"));
      await commands.close();
      keepAlive?.close();
      moving.close();
      await presences.close();
      await lines.close();
      await opened.close({ drainMs });
      await Promise.all([chat.close(), lamps.close()]);
      await door.close();
      await switchboard.close();
      await engine.close();
      await turn?.close();
      locations.close();
      leases.close();
      await plans.close();
    },
  };
}

const others = ({ otherAddress }: PhonesOptions): string[] => (otherAddress === undefined ? [] : [otherAddress]);

async function openMedia(options: PhonesOptions): Promise<MediaEngine> {
  const { rtpPorts, listen, address, log, workers, rtpengines = [] } = options;
  const embedded: EmbeddedOptions = {
    kind: "embedded",
    ports: [rtpPorts.from, rtpPorts.to],
    listen,
    advertised: [address, ...others(options)],
    log: ({ level, message, ...rest }) => log[level](rest, message),
    ...(workers === undefined ? {} : { workers }),
  };
  return await openMediaEngine(rtpengines.length === 0 ? embedded : { kind: "rtpengine", hosts: rtpengines, embedded });
}

const movingMs = 500;

/** Phones of a phone system that another process has now are sent away once they do not speak: they find it by its addresses. */
function moveOn(stack: SipStack, locations: Locations, speaks: (extensionId: string) => boolean): { close(): void } {
  let left: Location[] = [];
  locations.onLeft((more) => {
    left.push(...more.filter(({ transport }) => transport !== "udp"));
  });
  const timer = setInterval(() => {
    // It may have come back meanwhile.
    for (const { flow, extensionId } of left) if (!locations.isKnownFlow(flow) && !speaks(extensionId)) stack.closeFlow(flow);
    left = left.filter(({ flow }) => stack.isFlowOpen(flow) && !locations.isKnownFlow(flow));
  }, movingMs).unref();
  return { close: () => clearInterval(timer) };
}

function bindingsOf(options: PhonesOptions): Binding[] {
  const { listen, sipPort, tlsPort, wss, address } = options;
  const at = { host: listen, advertisedHosts: [address, ...others(options)] };
  return [
    ...(sipPort === undefined
      ? []
      : [
          { transport: "udp" as const, port: sipPort, ...at },
          { transport: "tcp" as const, port: sipPort, ...at },
        ]),
    ...(tlsPort === undefined ? [] : [{ transport: "tls" as const, port: tlsPort, ...at }]),
    ...(wss === undefined ? [] : [{ transport: "wss" as const, port: wss.port, ...at }]),
  ];
}

/** What the control plane hands on from browsers (server/voice-door.ts). */
async function openWebSocketDoor(stack: SipStack, port: number): Promise<{ port: number; close(): Promise<void> }> {
  const server: Server = createServer((_request, response) => response.writeHead(426, { upgrade: "websocket" }).end());
  const sockets = new WebSocketServer({
    server,
    maxPayload: 65_536,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has("sip") ? "sip" : false),
  });
  sockets.on("connection", (socket, request) => {
    if (socket.protocol !== "sip") return socket.close(1002, "Speak the subprotocol sip.");
    const caller = String(request.headers["x-khmara-caller"] ?? request.socket.remoteAddress);
    stack.acceptWebSocket(socket, { address: caller, port: request.socket.remotePort ?? 0, secure: true });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.terminate();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
