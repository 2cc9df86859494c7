import { Button, Group } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useCloud, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { useAddress } from "./address.ts";
import { BucketCreate } from "./BucketCreate.tsx";
import { BucketDelete } from "./BucketDelete.tsx";

export default function BucketsPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const cloud = useCloud();
  const may = useCan()("editor");
  const [address, changeAddress] = useAddress();
  const [removing, setRemoving] = useState<Bucket>();
  const buckets = useApiList("bucketList", { project: project.id });
  const here = projectAddress(organisation.slug, project.slug, "buckets");
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => changeAddress({ new: "1" })}>
      {t("objects.bucket.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <PageHeader title={t("objects.buckets")} text={t("objects.buckets.text")} actions={create} />
      <DataList
        id="buckets"
        label={t("objects.buckets")}
        list={buckets}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ name }) => `${here}/${name}`}
        search={({ name }) => name}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: ({ name, publicReach }) =>
              publicReach === "bucket" ? (
                <Group component="span" gap={8}>
                  {name}
                  <StatusBadge tone="warn">{t("objects.bucket.public")}</StatusBadge>
                </Group>
              ) : (
                name
              ),
            sort: ({ name }) => name,
          },
          {
            key: "objects",
            header: t("objects.column.objects"),
            align: "right",
            width: "minmax(88px, 120px)",
            cell: ({ objects }) => format.number(objects),
            sort: ({ objects }) => objects,
          },
          {
            key: "size",
            header: t("objects.column.size"),
            align: "right",
            width: "minmax(88px, 120px)",
            cell: ({ sizeBytes }) => format.bytes(sizeBytes),
            sort: ({ sizeBytes }) => sizeBytes,
          },
          {
            key: "created",
            header: t("ui.created"),
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
            sort: ({ createdAt }) => createdAt,
          },
        ]}
        {...(may
          ? {
              rowActions: (bucket: Bucket) => [
                { label: t("objects.bucket.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(bucket) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="bucket"
            title={t("objects.buckets.empty")}
            text={t("objects.buckets.emptyText")}
            action={create}
            command={
              may ? `aws --endpoint-url ${cloud?.s3.endpoint ?? ""} s3 mb s3://${organisation.slug}-${project.slug}` : undefined
            }
          />
        }
      />
      {address["new"] === "1" && <BucketCreate onClose={() => changeAddress({ new: undefined })} here={here} />}
      {removing && <BucketDelete bucket={removing} mode="delete" onClose={() => setRemoving(undefined)} />}
    </>
  );
}
