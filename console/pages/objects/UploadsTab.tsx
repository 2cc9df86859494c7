import { IconTrash } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { client, type Item, invalidate, useApiList } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { InterruptedUploads } from "./InterruptedUploads.tsx";
import { nameOf } from "./keys.ts";
import { uploads } from "./uploads.ts";

type Upload = Item<"uploadList">;

/** Uploads that began and have not ended: by this browser, by another, or by an S3 client. */
export function UploadsTab({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const [givingUp, setGivingUp] = useState<Upload[]>();
  const list = useApiList("uploadList", { bucket: bucket.name });
  const { items } = useSyncExternalStore(uploads.subscribe, uploads.snapshot);
  const remembered = new Map(uploads.remembered.list().map((entry) => [entry.uploadId, entry]));
  const running = new Set(items.filter(({ state }) => state === "sending" || state === "retrying").map(({ key }) => key));
  return (
    <>
      <InterruptedUploads bucket={bucket.name} />
      <DataList
        id="uploads"
        label={t("objects.tab.uploads")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ key }) => nameOf(key)}
        search={({ key }) => key}
        columns={[
          {
            key: "key",
            header: t("objects.share.file"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: ({ key }) => <span title={key}>{key}</span>,
            sort: ({ key }) => key,
          },
          {
            key: "where",
            header: t("ui.status"),
            width: "minmax(160px, 1fr)",
            cell: ({ id, key }) =>
              running.has(key) ? (
                <StatusBadge tone="busy">{t("objects.uploads.running")}</StatusBadge>
              ) : remembered.has(id) ? (
                <StatusBadge tone="warn">{t("objects.uploads.here")}</StatusBadge>
              ) : (
                <StatusBadge tone="off">{t("objects.uploads.elsewhere")}</StatusBadge>
              ),
          },
          {
            key: "started",
            header: t("objects.uploads.started"),
            cell: ({ startedAt }) => <TimeAgo at={startedAt} />,
            sort: ({ startedAt }) => startedAt,
          },
          {
            key: "until",
            header: t("objects.uploads.until"),
            cell: ({ startedAt }) => format.date(Date.parse(startedAt) + 7 * 24 * 3_600_000),
          },
        ]}
        {...(readOnly
          ? {}
          : {
              rowActions: (upload: Upload) => [
                { label: t("objects.uploads.giveUp"), icon: IconTrash, danger: true, onClick: () => setGivingUp([upload]) },
              ],
              bulkActions: [{ label: t("objects.uploads.giveUp"), icon: IconTrash, danger: true, run: setGivingUp }],
            })}
        empty={<EmptyState picture="done" title={t("objects.uploads.empty")} text={t("objects.uploads.emptyText")} />}
      />
      <ConfirmDestroy
        opened={givingUp !== undefined}
        onClose={() => setGivingUp(undefined)}
        title={t("objects.uploads.giveUpTitle")}
        text={t("objects.uploads.giveUpText", { count: givingUp?.length ?? 0 })}
        action={t("objects.uploads.giveUp")}
        onConfirm={async () => {
          for (const { id } of givingUp ?? []) {
            await client.uploadDelete({ bucket: bucket.name, upload: id });
            uploads.remembered.forget(id);
          }
          await invalidate(queries, ["uploadList", "bucketGet"]);
        }}
      />
    </>
  );
}
