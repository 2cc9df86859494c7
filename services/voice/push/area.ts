import { isoTime } from "../../../kernel/clock.ts";
import { notFound } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { checkUrl } from "../../../kernel/outbound/addresses.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { hashToken } from "../../../kernel/secrets.ts";
import type { ExtensionRow } from "../extensions/store.ts";
import { myExtensions } from "../mine.ts";
import type { Area, VoiceParts } from "../parts.ts";
import type { pushRoutes } from "./contract.ts";
import { createPushing } from "./sending.ts";
import { pushPurpose, pushStore } from "./store.ts";

const browsersOfOne = 10;

/** Browsers that show calls while no tab of them is open. */
export function createPushArea(parts: VoiceParts): Area<typeof pushRoutes> {
  const pushing = createPushing(parts);
  return {
    workers: [{ name: "voice.pushes", everySeconds: 2, run: (signal) => pushing.round(signal) }],
    handlers: {
      async myPhonePushKeyGet() {
        return { publicKey: (await pushing.keys()).publicKey };
      },

      async myPhonePushSubscriptionCreate(context, { params, body }) {
        const [extension] = (await myExtensions(context.tx, context.principal, params.extension)) as [ExtensionRow];
        checkUrl(body.endpoint, (await outboundSettings(context.tx)).allowedNetworks, "body.endpoint");
        const [subscriptionId, createdAt] = [newId("phonePushSubscription"), new Date()];
        const { language, ...subscription } = body;
        await pushStore.insert(
          context.tx,
          {
            id: subscriptionId,
            organisationId: extension.organisationId,
            projectId: extension.projectId,
            extensionId: extension.id,
            userId: context.principal.id,
            endpointHash: hashToken(body.endpoint),
            subscription: parts.secrets.encrypt(pushPurpose(subscriptionId), JSON.stringify(subscription)),
            language,
            createdAt,
          },
          browsersOfOne,
        );
        return { id: subscriptionId, extensionId: extension.id, createdAt: isoTime(createdAt) };
      },

      async myPhonePushSubscriptionDelete(context, { params }) {
        const found = await pushStore.find(context.tx, params.phonePushSubscription);
        const mine = await myExtensions(context.tx, context.principal);
        if (!found || !mine.some(({ id }) => id === found.extensionId)) throw notFound("phonePushSubscription");
        await pushStore.remove(context.tx, params.phonePushSubscription);
        return undefined;
      },
    },
  };
}
