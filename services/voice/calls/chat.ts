import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import { type MessageRow, messageChannel, messageStore, type Talker } from "../messages/store.ts";
import type { PhonePlan } from "../plan.ts";
import type { Locations } from "../registrar/locations.ts";
import type { Registrar } from "../registrar/registrar.ts";
import type { Location } from "../registrar/store.ts";
import type { IncomingRequest, SipStack } from "../sip/ports.ts";
import { formatNameAddress } from "../sip/uri.ts";
import type { Plans } from "./plans.ts";

const longestText = 2000;
const atOnce = 20;
const timeoutMs = 10_000;

export interface Chat {
  /** MESSAGE (RFC 3428) from a phone. Answers it, whatever becomes of it. */
  receive(request: IncomingRequest): Promise<void>;
  close(): Promise<void>;
}

/** Messages between extensions: taken from phones, and brought to those that are registered; what was written in browsers too. */
export async function openChat(parts: {
  database: Database;
  log: Log;
  plans: Plans;
  locations: Locations;
  registrar: Registrar;
  stack: SipStack;
}): Promise<Chat> {
  const { database, log, plans, locations, registrar, stack } = parts;
  /** One delivery after another for each extension, so that messages come in their order. */
  const delivering = new Map<string, Promise<void>>();

  async function receive(request: IncomingRequest): Promise<void> {
    const verdict = await registrar.authenticate(request, "Proxy-Authorization");
    if (!verdict.account) {
      if (verdict.challenge) return request.respond(407, { headers: { "Proxy-Authenticate": verdict.challenge } });
      return request.respond(verdict.status);
    }
    if (request.contentType !== "text/plain") return request.respond(415, { headers: { Accept: "text/plain" } });
    const { systemId, extensionId } = verdict.account;
    const plan = plans.of(systemId);
    const to = plan?.extensions.find(({ number }) => number === request.uri.user);
    if (plan === undefined || to === undefined || to.id === extensionId) return request.respond(404);
    const text = request.body.replaceAll("\0", "").trim();
    if (text.length > longestText) return request.respond(413);
    // A sign that somebody writes, or nothing: there is nothing to keep.
    if (text === "") return request.respond(200);
    const { organisationId, projectId } = plan.system;
    const from = { id: extensionId, organisationId, projectId, systemId } as Talker;
    await database.transaction("system", (tx) => messageStore.send(tx, from, to.id as Talker["id"], text));
    request.respond(202);
  }

  async function bring(plan: PhonePlan, message: MessageRow, location: Location): Promise<boolean> {
    const sender = plan.extensions.find(({ id }) => id === message.fromId);
    const uri = { scheme: "sip" as const, user: sender?.number, host: plan.system.domain, params: {} };
    const { status } = await stack.request({
      method: "MESSAGE",
      target: location.contact,
      from: formatNameAddress({ displayName: sender?.name, uri, params: {} }),
      body: { type: "text/plain;charset=utf-8", content: message.text },
      timeoutMs,
      flow: location.flow,
      ...(location.path.length > 0 ? { routes: location.path } : {}),
    });
    return status >= 200 && status < 300;
  }

  /** To all phones of an extension; it is delivered when one has taken it. What none takes waits for the next message or registration. */
  async function deliverAll(systemId: string, extensionId: string): Promise<void> {
    for (let taken = true; taken; ) {
      taken = false;
      const there = locations.ofExtension(extensionId);
      const plan = plans.of(systemId);
      if (there.length === 0 || plan === undefined) return;
      const waiting = await database.transaction("system", (tx) => messageStore.undelivered(tx, extensionId, atOnce));
      for (const message of waiting) {
        const results = await Promise.all(there.map((location) => bring(plan, message, location)));
        if (!results.includes(true)) return;
        await database.transaction("system", (tx) => messageStore.markDelivered(tx, [message.id]));
        taken = true;
      }
    }
  }
  function deliver(systemId: string, extensionId: string): void {
    const before = delivering.get(extensionId) ?? Promise.resolve();
    const next = before
      .then(() => deliverAll(systemId, extensionId))
      .catch((error) => log.warn({ err: error, extensionId }, "messages could not be delivered"));
    delivering.set(extensionId, next);
    void next.finally(() => delivering.get(extensionId) === next && delivering.delete(extensionId));
  }
  const deliverTo = (extensionId: string) => {
    const [location] = locations.ofExtension(extensionId);
    if (location) deliver(location.systemId, extensionId);
  };

  locations.onChange(deliverTo);
  const listener = await database.listen(
    messageChannel,
    (payload) => {
      const [systemId, extensionId] = payload.split(" ") as [string, string];
      deliver(systemId, extensionId);
    },
    // Also after a reconnect, when something may have been missed.
    () => {
      for (const extensionId of new Set(locations.all().map((location) => location.extensionId))) deliverTo(extensionId);
    },
  );
  return {
    receive,
    async close() {
      await listener.close();
      await Promise.all(delivering.values());
    },
  };
}
