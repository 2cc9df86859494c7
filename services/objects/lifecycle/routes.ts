import { isoTime } from "../../../kernel/clock.ts";
import { invalid } from "../../../kernel/errors.ts";
import type { Handlers } from "../../../kernel/service.ts";
import type contract from "../contract.ts";
import { type ObjectsParts, openBucket, openBucketShortly } from "../parts.ts";
import { changeConfiguration } from "../settings/documents.ts";
import { carryOut } from "./carryOut.ts";
import type { LifecycleRuleView, lifecycleRoutes } from "./contract.ts";
import type { LifecycleRule } from "./rules.ts";
import { transitionProblem } from "./transitions.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof lifecycleRoutes>;

/** So many versions are looked at for a preview: some seconds of a request. */
const previewed = 100_000;

const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;

const viewRule = ({ prefixAlone: _, expiration, transitions, ...rule }: LifecycleRule): LifecycleRuleView => ({
  ...rule,
  ...(transitions && {
    transitions: transitions.map((each) => ("atMs" in each ? { at: isoTime(each.atMs), storageClass: each.storageClass } : each)),
  }),
  ...(expiration && { expiration: "atMs" in expiration ? { at: isoTime(expiration.atMs) } : expiration }),
});

function ruleOf(given: LifecycleRuleView): LifecycleRule {
  const { id, enabled, filter, expiration, noncurrent, abortUploadsDays, transitions, noncurrentTransitions } = given;
  const rule = present({
    id,
    enabled,
    filter: present(filter),
    expiration: expiration && expirationOf(expiration),
    noncurrent: noncurrent && present(noncurrent),
    abortUploadsDays,
    transitions: transitions?.map(({ days, at, storageClass }) => ({
      ...(at === undefined ? { days: days as number } : { atMs: Date.parse(at) }),
      storageClass,
    })),
    noncurrentTransitions: noncurrentTransitions?.map(present),
  }) as LifecycleRule;
  const problem = transitionProblem(rule);
  if (problem !== undefined) throw invalid("body.rules", problem.message);
  return rule;
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
