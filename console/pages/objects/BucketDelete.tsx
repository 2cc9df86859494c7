import { useQueryClient } from "@tanstack/react-query";
import type { Bucket } from "../../../services/objects/contract.ts";
import { client, invalidate } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { toastDone } from "../../ui/toast.ts";
import { work } from "./work.tsx";

interface Props {
  bucket: Bucket;
  mode: "delete" | "empty" | undefined;
  onClose: () => void;
  onGone?: () => void;
}

/** An empty bucket goes at once; a full one says how much goes with it and wants its name typed. */
export function BucketDelete({ bucket, mode, onClose, onGone }: Props) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const { name } = bucket;
  const full = bucket.objects + bucket.trashObjects + bucket.uploadBytes > 0;

  if (mode === "delete" && !full)
    return (
      <ConfirmDestroy
        opened
        onClose={onClose}
        title={t("objects.bucket.deleteTitle", { name })}
        text={t("objects.bucket.deleteEmptyText")}
        action={t("objects.bucket.delete")}
        onConfirm={async () => {
          await client.bucketDelete({ bucket: name });
          toastDone(t("objects.bucket.deleted", { name }));
          onGone?.();
          await invalidate(queries, ["bucketList"]);
        }}
      />
    );
  const deleting = mode === "delete";
  return (
    <ConfirmDestroy
      opened={mode !== undefined}
      onClose={onClose}
      title={deleting ? t("objects.bucket.emptyAndDeleteTitle", { name }) : t("objects.bucket.emptyTitle", { name })}
      destroyed={[
        bucket.objects > 0 && t("objects.bucket.goes.objects", { count: bucket.objects, size: format.bytes(bucket.sizeBytes) }),
        bucket.trashObjects > 0 &&
          t("objects.bucket.goes.trash", { count: bucket.trashObjects, size: format.bytes(bucket.trashBytes) }),
        bucket.uploadBytes > 0 && t("objects.bucket.goes.uploads", { size: format.bytes(bucket.uploadBytes) }),
        t("objects.bucket.goes.shares"),
        deleting && t("objects.bucket.goes.name"),
      ].filter((line) => line !== false)}
      kept={deleting ? [t("objects.bucket.stays.keys")] : [t("objects.bucket.stays.bucket")]}
      typeName={name}
      action={deleting ? t("objects.bucket.emptyAndDelete") : t("objects.bucket.emptyIt")}
      onConfirm={async () => {
        const operation = await client.bucketEmpty({ bucket: name, confirm: name, thenDelete: deleting });
        if (deleting) onGone?.();
        // The dialog closes; the toast and the operations in the top bar tell how far it is.
        void work({
          working: t("objects.bucket.emptying", { name }),
          done: deleting ? t("objects.bucket.deleted", { name }) : t("objects.bucket.emptied", { name }),
          start: async () => [operation],
        }).then(() => invalidate(queries, ["bucketList", "bucketGet", "objectList", "trashList", "uploadList", "shareList"]));
      }}
    />
  );
}
