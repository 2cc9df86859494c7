/** Access keys that belong to an app instead of a person: for one bucket, as long as the app uses it. */
import { newId } from "../../kernel/ids.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import { secretPurpose } from "./accessKeyCache.ts";
import { newAccessKeyId, newSecret } from "./accessKeys.ts";
import type { IdentityService } from "./contract.ts";
import { at, type Parts, tell } from "./parts.ts";
import { accessKeyStore } from "./store/accessKeys.ts";

export function createAppKeys(parts: Parts): IdentityService["appKeys"] {
  return {
    async make(tx, { organisationId, projectId, bucketId, holder, readOnly }) {
      const place = { organisationId, projectId };
      await reserveQuota(tx, place, "identity.access_keys", 1);
      const secretAccessKey = newSecret();
      const id = newId("accessKey", parts.clock.nowMs());
      const accessKeyId = newAccessKeyId();
      await accessKeyStore.insert(tx, {
        id,
        name: holder.name,
        accessKeyId,
        ...place,
        userId: null,
        serviceAccountId: null,
        secret: parts.secrets.encrypt(secretPurpose(id), secretAccessKey),
        readOnly,
        createdAt: at(parts),
        bucketId,
        holder,
      });
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "credentialChanged", id, place);
      return { id, accessKeyId, secretAccessKey };
    },

    async remove(tx, id) {
      const row = await accessKeyStore.find(tx, id, true);
      if (row === undefined) return;
      const place = { organisationId: row.organisationId, projectId: row.projectId };
      await accessKeyStore.remove(tx, id);
      await reserveQuota(tx, place, "identity.access_keys", -1);
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "credentialChanged", id, place);
    },
  };
}
