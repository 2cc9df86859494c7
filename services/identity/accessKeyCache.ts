import { covers } from "../../kernel/auth/authorize.ts";
import type { Binding } from "../../kernel/auth/principal.ts";
import type { Role } from "../../kernel/contract.ts";
import { CloudError } from "../../kernel/errors.ts";
import { bindingOf, isStale } from "./authentication.ts";
import type { IdentityService } from "./contract.ts";
import type { Parts } from "./parts.ts";
import { type AccessKeyBearer, accessKeyStore } from "./store/accessKeys.ts";

type Resolved = Awaited<ReturnType<IdentityService["accessKey"]>>;

const freshMs = 10_000;
/** While the database is away nothing can be revoked either: what was right a while ago goes on, so that objects stay in reach. */
const usableWithoutDatabaseMs = 10 * 60_000;
/** Made-up key ids must not fill the memory. */
const mostRemembered = 10_000;

export const secretPurpose = (id: string): string => `identity.access_key:${id}`;

/** The keys that the S3 door asks for with every request, remembered for some seconds and forgotten at once when something changes. */
export function createAccessKeyCache(parts: Parts) {
  const { database, secrets, clock, log } = parts;
  const remembered = new Map<string, { value: Resolved; at: number; fresh: boolean }>();
  const underWay = new Map<string, Promise<Resolved>>();
  // What was read before a change must not be remembered after it.
  let generation = 0;
  let listening = false;
  let listener: Promise<{ close(): Promise<void> }> | undefined;

  /** Something did change: until it is read again nothing that is remembered may be used, not even while the database is away. */
  function forget(): void {
    generation += 1;
    underWay.clear();
    remembered.clear();
  }

  /** Something may have changed unheard. */
  function doubt(): void {
    generation += 1;
    underWay.clear();
    for (const entry of remembered.values()) entry.fresh = false;
  }

  function listen(): void {
    listener ??= accessKeyStore
      .listenForChanges(database, forget, () => {
        // At first, and again after each reconnect.
        listening = true;
        doubt();
      })
      .catch((error) => {
        listener = undefined;
        throw error;
      });
    listener.catch((error) => log.warn({ err: error }, "changes of credentials cannot be heard at the moment"));
  }

  async function load(accessKeyId: string): Promise<Resolved> {
    const before = generation;
    const bearer = await database.statement((sql) => accessKeyStore.bearer(sql, accessKeyId));
    const value = bearer && resolve(bearer);
    if (generation === before && listening) {
      if (remembered.size >= mostRemembered) remembered.delete(remembered.keys().next().value as string);
      remembered.set(accessKeyId, { value, at: clock.nowMs(), fresh: true });
    }
    const now = new Date(clock.nowMs());
    if (bearer && isStale(bearer, now)) {
      accessKeyStore
        .used(database.sql, bearer.id, now)
        .catch((error) => log.debug({ err: error }, "the use of a credential was not noted"));
    }
    return value;
  }

  function resolve(bearer: AccessKeyBearer): Resolved {
    if (bearer.state !== "active") return undefined;
    const { organisationId, projectId } = bearer;
    // What its owner may do in this one project, whether inherited or given here.
    const roles = new Set(
      bearer.holderName === null
        ? bearer.bindings.filter((row) => covers(bindingOf(row), { organisationId, projectId })).map((row) => row.role as Role)
        : // Nobody's: what it may do is said by its bucket alone.
          ["editor" as const],
    );
    if (roles.size === 0) return undefined;
    const suspended = bearer.organisationSuspendedReason === null ? {} : { suspendedReason: bearer.organisationSuspendedReason };
    return {
      secretAccessKey: secrets.decrypt(secretPurpose(bearer.id), bearer.secret).toString(),
      organisationId,
      projectId,
      ...(bearer.bucketId === null ? {} : { bucketId: bearer.bucketId }),
      principal: {
        kind: bearer.kind,
        id: bearer.principalId,
        name: bearer.name,
        bindings: [...roles].map((role): Binding => ({ role, organisationId, projectId, ...suspended })),
        projectId,
        readOnly: bearer.readOnly,
      },
    };
  }

  return {
    async accessKey(accessKeyId: string): Promise<Resolved> {
      listen();
      const entry = remembered.get(accessKeyId);
      const age = entry ? clock.nowMs() - entry.at : Number.POSITIVE_INFINITY;
      if (entry?.fresh && age < freshMs) return entry.value;
      let loading = underWay.get(accessKeyId);
      if (!loading) {
        const started = load(accessKeyId).finally(() => {
          if (underWay.get(accessKeyId) === started) underWay.delete(accessKeyId);
        });
        loading = started;
        underWay.set(accessKeyId, loading);
      }
      try {
        return await loading;
      } catch (error) {
        if (entry && age < usableWithoutDatabaseMs && CloudError.is(error, "unavailable")) return entry.value;
        throw error;
      }
    },
    async close(): Promise<void> {
      try {
        await (await listener)?.close();
      } catch (error) {
        // The connection is gone already, and with it what was listened for.
        log.debug({ err: error }, "listening for credentials ended by itself");
      }
    },
  };
}
