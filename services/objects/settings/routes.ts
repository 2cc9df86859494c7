import type { Handlers } from "../../../kernel/service.ts";
import { changeSettings, subjectOf } from "../buckets.ts";
import type contract from "../contract.ts";
import type { CorsRule } from "../cors.ts";
import { type BucketSettings, withChange } from "../driver.ts";
import { type ObjectsParts, openBucket } from "../parts.ts";
import type { settingsRoutes } from "./contract.ts";
import { changeConfiguration } from "./documents.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof settingsRoutes>;

export function settingsHandlers({ store }: Pick<ObjectsParts, "store">): Routes {
  const { available, standard } = store.engines;
  const view = (settings: BucketSettings) => ({ engine: standard, ...settings, engines: available });
  return {
    bucketSettingsGet: async (context, { params }) =>
      view(await store.settings((await openBucket(context, context.tx, params.bucket)).id)),

    async bucketSettingsUpdate(context, { params, body }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const before = await store.settings(bucket.id);
      const after = withChange(before, body);
      await changeSettings(context.tx, store, bucket.id, body);
      context.audit({ ...subjectOf(bucket), before: { ...before }, after: { ...after } });
      return view(after);
    },

    async bucketCorsGet(context, { params }) {
      const { configuration } = await openBucket(context, context.tx, params.bucket);
      return { rules: configuration?.cors ?? [] };
    },

    async bucketCorsUpdate(context, { params, body: { rules } }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      await changeConfiguration(context, bucket, { cors: rules.length === 0 ? null : (rules as CorsRule[]) });
      return { rules };
    },
  };
}
