import { IconArrowBackUp, IconTrash } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { client, type Item, invalidate, useApiList } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { nameOf } from "./keys.ts";
import { restoreTrash, work } from "./work.tsx";

type Trash = Item<"trashList">;

/** What was deleted together comes back together. */
export function TrashTab({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const [purging, setPurging] = useState<Trash[]>();
  const trash = useApiList("trashList", { bucket: bucket.name });
  const refresh = () => invalidate(queries, ["trashList", "bucketGet", "bucketList", "objectList"]);
  const title = ({ names, objects }: Trash) =>
    names.length > 1
      ? t("objects.trash.several", { name: nameOf(names[0] ?? ""), count: names.length - 1 })
      : nameOf(names[0] ?? "") || t("objects.count", { count: objects });
  const restore = (items: Trash[]) =>
    void work({
      working: t("objects.trash.restoring", { count: items.length }),
      done: t("objects.trash.restored", { count: items.reduce((sum, { objects }) => sum + objects, 0) }),
      start: () => Promise.all(items.map(({ id }) => restoreTrash(bucket.name, id))),
    }).then(refresh);
  const purge = (items: Trash[]) =>
    void work({
      working: t("objects.trash.purging", { count: items.length }),
      done: t("objects.trash.purged", { count: items.reduce((sum, { objects }) => sum + objects, 0) }),
      start: () => Promise.all(items.map(({ id }) => client.trashDelete({ bucket: bucket.name, trash: id }))),
    }).then(refresh);
  const sum = (of: (item: Trash) => number) => (purging ?? []).reduce((total, item) => total + of(item), 0);

  return (
    <>
      <DataList
        id="trash"
        label={t("objects.tab.trash")}
        list={trash}
        rowKey={({ id }) => id}
        rowName={title}
        search={({ names, deletedBy }) => `${names.join(" ")} ${deletedBy}`}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: (item) => <span title={item.names.join("\n")}>{title(item)}</span>,
            sort: title,
          },
          {
            key: "objects",
            header: t("objects.column.objects"),
            align: "right",
            width: "minmax(80px, 100px)",
            cell: ({ objects }) => format.number(objects),
            sort: ({ objects }) => objects,
          },
          {
            key: "size",
            header: t("objects.column.size"),
            align: "right",
            width: "minmax(80px, 100px)",
            cell: ({ sizeBytes }) => format.bytes(sizeBytes),
            sort: ({ sizeBytes }) => sizeBytes,
          },
          {
            key: "deleted",
            header: t("objects.trash.deleted"),
            width: "minmax(160px, 1.4fr)",
            cell: ({ deletedAt, deletedBy }) => (
              <>
                <TimeAgo at={deletedAt} /> · {deletedBy}
              </>
            ),
            sort: ({ deletedAt }) => deletedAt,
          },
          {
            key: "expires",
            header: t("objects.trash.expires"),
            cell: ({ expiresAt }) => <TimeAgo at={expiresAt} />,
            sort: ({ expiresAt }) => expiresAt,
          },
        ]}
        {...(readOnly
          ? {}
          : {
              rowActions: (item: Trash) => [
                { label: t("objects.trash.restore"), icon: IconArrowBackUp, onClick: () => restore([item]) },
                { label: t("objects.trash.purge"), icon: IconTrash, danger: true, onClick: () => setPurging([item]) },
              ],
              bulkActions: [
                { label: t("objects.trash.restore"), icon: IconArrowBackUp, run: restore },
                { label: t("objects.trash.purge"), icon: IconTrash, danger: true, run: setPurging },
              ],
            })}
        empty={<EmptyState picture="done" title={t("objects.trash.empty")} text={t("objects.trash.emptyText")} />}
      />
      <ConfirmDestroy
        opened={purging !== undefined}
        onClose={() => setPurging(undefined)}
        title={t("objects.trash.purgeTitle")}
        text={t("objects.trash.purgeText", {
          count: sum(({ objects }) => objects),
          size: format.bytes(sum(({ sizeBytes }) => sizeBytes)),
        })}
        action={t("objects.trash.purge")}
        onConfirm={async () => purge(purging ?? [])}
      />
    </>
  );
}
