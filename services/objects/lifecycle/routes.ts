import { isoTime } from "../../../kernel/clock.ts";
import type { Handlers } from "../../../kernel/service.ts";
import type contract from "../contract.ts";
import { type ObjectsParts, openBucket, openBucketShortly } from "../parts.ts";
import { changeConfiguration } from "../settings/documents.ts";
import { carryOut } from "./carryOut.ts";
import type { LifecycleRuleView, lifecycleRoutes } from "./contract.ts";
import type { LifecycleRule } from "./rules.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof lifecycleRoutes>;

/** So many versions are looked at for a preview: some seconds of a request. */
const previewed = 100_000;

const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;

const viewRule = ({ prefixAlone: _, expiration, ...rule }: LifecycleRule): LifecycleRuleView => ({
  ...rule,
  ...(expiration && { expiration: "atMs" in expiration ? { at: isoTime(expiration.atMs) } : expiration }),
});

function ruleOf({ id, enabled, filter, expiration, noncurrent, abortUploadsDays }: LifecycleRuleView): LifecycleRule {
  return present({
    id,
    enabled,
    filter: present(filter),
    expiration: expiration && expirationOf(expiration),
    noncurrent: noncurrent && present(noncurrent),
    abortUploadsDays,
  }) as LifecycleRule;
}

function expirationOf({ days, at, expiredMarkers = false }: NonNullable<LifecycleRuleView["expiration"]>) {
  if (days !== undefined) return { days };
  return at === undefined ? { expiredMarkers } : { atMs: Date.parse(at) };
}

export function lifecycleHandlers({ store, now }: Pick<ObjectsParts, "store" | "now">): Routes {
  return {
    async bucketLifecycleGet(context, { params }) {
      const { configuration } = await openBucket(context, context.tx, params.bucket);
      return { rules: (configuration?.lifecycle ?? []).map(viewRule) };
    },

    async bucketLifecycleUpdate(context, { params, body }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const lifecycle = body.rules.map(ruleOf);
      await changeConfiguration(context, bucket, { lifecycle: lifecycle.length === 0 ? null : lifecycle });
      return { rules: lifecycle.map(viewRule) };
    },

    async bucketLifecyclePreview(context, { params, body }) {
      const bucket = await openBucketShortly(context, params.bucket);
      const counts = await carryOut(store, bucket.id, body.rules.map(ruleOf), {
        nowMs: now(),
        dryRun: true,
        most: previewed,
        signal: context.signal,
      });
      store.meter(bucket.id, { requestClass: "write" });
      return counts;
    },
  };
}
