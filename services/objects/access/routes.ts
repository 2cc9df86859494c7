import { CloudError, invalid } from "../../../kernel/errors.ts";
import type { Handlers } from "../../../kernel/service.ts";
import type { BucketConfiguration, ConfigurationChange } from "../configuration.ts";
import type contract from "../contract.ts";
import { openBucket } from "../parts.ts";
import { accountIdOf } from "../s3/access/identity.ts";
import { parsePolicy } from "../s3/access/policy.ts";
import { allBlocked, blockIn, isPublicPolicy } from "../s3/access/publicAccess.ts";
import { S3Error } from "../s3/errors.ts";
import { changeConfiguration } from "../settings/documents.ts";
import { announceBucket, type BucketRow, bucketStore, publicAccessStore } from "../store.ts";
import type { accessRoutes } from "./contract.ts";
import { publicReach } from "./reach.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof accessRoutes>;

const forbiddenIn = ({ publicForbidden }: BucketRow) => publicForbidden && { publicForbidden };

function view(before: BucketRow, configuration: BucketConfiguration) {
  const bucket = { ...before, configuration };
  const reach = publicReach(bucket);
  const { ownership = "ObjectWriter", policy, publicAccessBlock } = configuration;
  const none = Object.fromEntries(Object.keys(allBlocked).map((name) => [name, false])) as unknown as typeof allBlocked;
  return {
    isPublic: reach === "bucket",
    publicReach: reach,
    isForbidden: bucket.publicForbidden ?? false,
    publicAccessBlock: publicAccessBlock ?? none,
    ownership,
    ...(policy && { policy: policy.text }),
    accountId: accountIdOf(bucket.projectId),
  };
}

/** What is wrong with a policy stands at its field. */
function checkPolicy(text: string, bucketName: string): { isPublic: boolean } {
  try {
    return { isPublic: isPublicPolicy(parsePolicy(text, bucketName)) };
  } catch (error) {
    if (error instanceof S3Error) throw invalid("body.policy", error.message);
    throw error;
  }
}

export const accessHandlers = (): Routes => ({
  async bucketAccessGet(context, { params }) {
    const bucket = await openBucket(context, context.tx, params.bucket);
    return view(bucket, bucket.configuration ?? {});
  },

  async bucketAccessUpdate(context, { params, body }) {
    const bucket = await openBucket(context, context.tx, params.bucket);
    const { policy, publicAccessBlock, ownership } = body;
    const change: ConfigurationChange = {
      ...(policy !== undefined && { policy: policy === null ? null : { text: policy } }),
      ...(publicAccessBlock && { publicAccessBlock }),
      ...(ownership && { ownership }),
    };
    const before = bucket.configuration ?? {};
    const after = Object.fromEntries(
      Object.entries({ ...before, ...change }).filter(([, document]) => document !== null),
    ) as BucketConfiguration;
    if (typeof policy === "string" && checkPolicy(policy, bucket.name).isPublic) {
      if (blockIn({ ...after, ...forbiddenIn(bucket) }).blockPublicPolicy)
        throw new CloudError(
          "failed_precondition",
          bucket.publicForbidden
            ? "This policy would make the bucket public, which the organisation's administrators have forbidden."
            : "This policy would make the bucket public, which is blocked here. End the block first, if that is what you want.",
          { details: { resource: "bucket", reason: "public_access_blocked" } },
        );
    }
    await changeConfiguration(context, bucket, change);
    return view(bucket, after);
  },

  async publicAccessGet(context, { params }) {
    context.authorize({ organisationId: params.organisation }, "organisation");
    return { isForbidden: await publicAccessStore.isForbidden(context.tx, params.organisation) };
  },

  async publicAccessUpdate(context, { params: { organisation }, body: { isForbidden } }) {
    context.authorize({ organisationId: organisation }, "organisation");
    const before = await publicAccessStore.isForbidden(context.tx, organisation);
    await publicAccessStore.forbid(context.tx, organisation, isForbidden);
    // Every process has them in mind.
    for (const bucket of await bucketStore.ofOrganisation(context.tx, organisation)) await announceBucket(context.tx, bucket);
    context.audit({
      organisationId: organisation,
      resource: { kind: "organisation", id: organisation },
      before: { isForbidden: before },
      after: { isForbidden },
    });
    return { isForbidden };
  },
});
