import { IconLinkOff } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { client, type Item, invalidate, useApiList } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone } from "../../ui/toast.ts";
import { nameOf } from "./keys.ts";

type Share = Item<"shareList">;
const tones = { active: "good", expired: "off", revoked: "off" } as const;

/** Every link that leads out of this bucket, and the way to cut it. */
export function SharesTab({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const [revoking, setRevoking] = useState<Share[]>();
  const shares = useApiList("shareList", { bucket: bucket.name });
  const states = (["active", "expired", "revoked"] as const).map((value) => ({
    value,
    label: t(`objects.share.state.${value}`),
  }));
  return (
    <>
      <DataList
        id="shares"
        label={t("objects.tab.shares")}
        list={shares}
        rowKey={({ id }) => id}
        rowName={({ key }) => nameOf(key)}
        search={({ key, createdBy }) => `${key} ${createdBy}`}
        filters={[{ key: "state", label: t("ui.status"), options: states, fits: ({ state }, value) => state === value }]}
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
            key: "state",
            header: t("ui.status"),
            width: "minmax(96px, 120px)",
            cell: ({ state }) => <StatusBadge tone={tones[state]}>{t(`objects.share.state.${state}`)}</StatusBadge>,
            sort: ({ state }) => state,
          },
          {
            key: "downloads",
            header: t("objects.share.downloadsColumn"),
            align: "right",
            width: "minmax(96px, 120px)",
            cell: ({ downloads }) => format.number(downloads),
            sort: ({ downloads }) => downloads,
          },
          { key: "by", header: t("objects.share.by"), cell: ({ createdBy }) => createdBy, sort: ({ createdBy }) => createdBy },
          {
            key: "expires",
            header: t("objects.share.expiresColumn"),
            cell: ({ expiresAt }) => <TimeAgo at={expiresAt} />,
            sort: ({ expiresAt }) => expiresAt,
          },
        ]}
        {...(readOnly
          ? {}
          : {
              rowActions: (share: Share) => [
                {
                  label: t("objects.share.revoke"),
                  icon: IconLinkOff,
                  danger: true,
                  onClick: () => setRevoking([share]),
                  disabledReason: share.state === "active" ? undefined : t("objects.share.overAlready"),
                },
              ],
              bulkActions: [{ label: t("objects.share.revoke"), icon: IconLinkOff, danger: true, run: setRevoking }],
            })}
        empty={<EmptyState picture="key" title={t("objects.shares.empty")} text={t("objects.shares.emptyText")} />}
      />
      <ConfirmDestroy
        opened={revoking !== undefined}
        onClose={() => setRevoking(undefined)}
        title={t("objects.share.revokeTitle")}
        text={t("objects.share.revokeText", { count: revoking?.length ?? 0 })}
        action={t("objects.share.revoke")}
        onConfirm={async () => {
          for (const { id, state } of revoking ?? []) if (state === "active") await client.shareDelete({ share: id });
          toastDone(t("objects.share.revoked"));
          await invalidate(queries, ["shareList"]);
        }}
      />
    </>
  );
}
