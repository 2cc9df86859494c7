/**
 * Makes running workers be as wanted, without a reload. What they have is asked of themselves, never remembered: so it holds whoever was
 * killed in the middle of what. Only called when the worker's structure is the wanted one.
 */
import { X509Certificate } from "node:crypto";
import type { CheckedRoute, CheckedServer } from "../specification.ts";
import type { Rendered } from "./render.ts";
import { backendName, isServersRoute, serverAddress, serverWeight, serverWords } from "./rules.ts";
import type { RuntimeApi, ServerState, Worker } from "./runtime.ts";

/** How many things were changed. */
export async function changeAtRunTime(
  api: RuntimeApi,
  worker: Worker,
  rendered: Rendered,
  routes: readonly CheckedRoute[],
): Promise<number> {
  let changes = 0;
  // In this order nobody is sent to what is not there yet.
  changes += await changeCertificates(api, worker, rendered);
  changes += await changeServers(api, worker, routes);
  for (const [path, wanted] of rendered.maps) changes += await changeMap(api, worker, path, wanted);
  return changes;
}

/**
 * Takes servers in and out. A worker that is old still has connections, and their next request must not be sent where nobody is any
 * more: it gets the same, as far as it knows the route.
 */
export async function changeServers(api: RuntimeApi, worker: Worker, routes: readonly CheckedRoute[]): Promise<number> {
  const running = await api.servers(worker);
  let changes = 0;
  for (const route of routes) {
    if (!isServersRoute(route)) continue;
    const backend = backendName(route.id);
    const there = running.get(backend);
    // A backend that has no server at all is not in the list either.
    if (there === undefined && worker.old && !(await knows(api, worker, backend))) continue;
    const wanted = new Set<string>();
    for (const server of route.target.servers) {
      wanted.add(server.name);
      const at = `${backend}/${server.name}`;
      const state = there?.get(server.name);
      if (state === undefined) {
        await addServer(api, worker, at, `${serverAddress(server)} ${serverWords(route, server)}`);
        changes++;
      } else changes += await changeServer(api, worker, at, server, state);
    }
    for (const [name, state] of there ?? [])
      if (!wanted.has(name)) changes += await removeServer(api, worker, `${backend}/${name}`, state);
  }
  return changes;
}

const knows = async (api: RuntimeApi, worker: Worker, backend: string): Promise<boolean> =>
  (await api.on(worker, "show backend")).split("\n").includes(backend);

async function addServer(api: RuntimeApi, worker: Worker, at: string, words: string): Promise<void> {
  await api.change(worker, `add server ${at} ${words}`, { success: /New server registered/ });
  await api.change(worker, `enable health ${at}`);
  await api.change(worker, `set server ${at} state ready`);
  // As a server of the file begins: whoever names one has seen it healthy, and the first checks would take seconds.
  await api.change(worker, `set server ${at} health up`);
}

async function changeServer(
  api: RuntimeApi,
  worker: Worker,
  at: string,
  server: CheckedServer,
  state: ServerState,
): Promise<number> {
  let changes = 0;
  if (!sameAddress(state, server)) {
    await api.change(worker, `set server ${at} addr ${server.address} port ${server.port}`, { success: /changed|no need/ });
    changes++;
  }
  const weight = serverWeight(server);
  if (state.weight !== weight) {
    await api.change(worker, `set server ${at} weight ${weight}`);
    changes++;
  }
  if (state.maintenance) {
    await api.change(worker, `set server ${at} state ready`);
    changes++;
  }
  return changes;
}

/** The same address may be written in more than one way: IPv6 is. */
const sameAddress = (state: ServerState, { address, port }: CheckedServer): boolean =>
  state.port === port && (state.address === address || canonical(state.address) === canonical(address));

function canonical(address: string): string {
  return address.includes(":") ? new URL(`http://[${address}]/`).hostname : address;
}

/** With requests under way it stays, closed for new ones, and is taken away by a later change. */
async function removeServer(api: RuntimeApi, worker: Worker, at: string, state: ServerState): Promise<number> {
  if (!state.maintenance) await api.change(worker, `set server ${at} state maint`);
  const answer = await api.on(worker, `del server ${at}`);
  return state.maintenance && !/Server deleted/.test(answer) ? 0 : 1;
}

async function changeMap(api: RuntimeApi, worker: Worker, path: string, wanted: ReadonlyMap<string, string>): Promise<number> {
  const running = await api.map(worker, path);
  let changes = 0;
  for (const [key, value] of wanted) {
    if (running.get(key) === value) continue;
    const verb = running.has(key) ? "set" : "add";
    await api.change(worker, `${verb} map ${path} ${key} ${value}`);
    changes++;
  }
  for (const key of running.keys()) {
    if (wanted.has(key)) continue;
    await api.change(worker, `del map ${path} ${key}`);
    changes++;
  }
  return changes;
}

async function changeCertificates(api: RuntimeApi, worker: Worker, rendered: Rendered): Promise<number> {
  const list = rendered.certificateList;
  const entries = new Map<string, string>();
  // Absent without a listener for HTTPS.
  for (const line of (await api.on(worker, `show ssl crt-list ${list}`)).split("\n"))
    if (line.startsWith("/")) entries.set(line.split(" ")[0] as string, line.trim());
  if (entries.size === 0) return 0;
  let changes = 0;
  for (const [path, pem] of rendered.certificates) {
    const known = await api.on(worker, `show ssl cert ${path}`);
    const line = rendered.certificateLines.get(path) as string;
    if (!/^Serial/m.test(known)) {
      await api.change(worker, `new ssl cert ${path}`, { success: /New empty certificate/ });
      await setCertificate(api, worker, path, pem);
      changes++;
    } else if (fingerprint(known) !== new X509Certificate(pem).fingerprint.replaceAll(":", "")) {
      await setCertificate(api, worker, path, pem);
      changes++;
    }
    if (entries.get(path) === line) continue;
    if (entries.has(path)) await api.change(worker, `del ssl crt-list ${list} ${path}`, { success: /deleted/ });
    await api.change(worker, `add ssl crt-list ${list}`, { payload: line, success: /Success/ });
    changes++;
  }
  for (const path of entries.keys()) {
    if (rendered.certificates.has(path)) continue;
    await api.change(worker, `del ssl crt-list ${list} ${path}`, { success: /deleted/ });
    await api.change(worker, `del ssl cert ${path}`, { success: /deleted/ });
    changes++;
  }
  return changes;
}

const fingerprint = (text: string): string | undefined => /^SHA1 FingerPrint: ([0-9A-F]+)/m.exec(text)?.[1];

async function setCertificate(api: RuntimeApi, worker: Worker, path: string, pem: string): Promise<void> {
  await api.change(worker, `set ssl cert ${path}`, { payload: pem, success: /Transaction (created|updated)/ });
  await api.change(worker, `commit ssl cert ${path}`, { success: /Success/ });
}
