import { Button } from "@mantine/core";
import { IconBan, IconCheck, IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { type Answer, callApi, type Item, invalidate, useApiList, useChange } from "../../api/api.ts";
import { useCan, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyButton } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError, toastUndo } from "../../ui/toast.ts";
import { AccessKeyCreated } from "./AccessKeyCreated.tsx";
import { CreateAccessKey } from "./CreateAccessKey.tsx";
import { RenameAccessKey } from "./RenameAccessKey.tsx";

type AccessKey = Item<"accessKeyList">;

export default function AccessKeysPage() {
  const t = useT();
  const project = useProject();
  const editor = useCan("project")("editor");
  const keys = useApiList("accessKeyList", { project: project.id });
  const [creating, setCreating] = useAddressFlag("create");
  const [made, setMade] = useState<Answer<"accessKeyCreate">>();
  const [renaming, setRenaming] = useState<AccessKey>();
  const [deleting, setDeleting] = useState<AccessKey[]>([]);
  const remove = useChange("accessKeyDelete", { refresh: ["accessKeyList"] });

  const enable = async (key: AccessKey, enabled: boolean) => {
    await callApi("accessKeyUpdate", { accessKey: key.id, enabled });
    await invalidate(queries, ["accessKeyList"]);
  };
  const toggle = (key: AccessKey) =>
    enable(key, !key.enabled)
      .then(() =>
        toastUndo(t(key.enabled ? "access.disabledNow" : "access.enabledNow", { name: key.name }), () =>
          enable(key, key.enabled),
        ),
      )
      .catch(toastError);

  const create = (
    <Button leftSection={<IconPlus size={16} stroke={1.8} />} onClick={() => setCreating(true)} disabled={!editor}>
      {t("access.createKey")}
    </Button>
  );
  return (
    <>
      <PageHeader title={t("access.keys")} text={t("access.keysText", { project: project.name })} actions={create} />
      <DataList
        id="access-keys"
        label={t("access.keys")}
        list={keys}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        search={({ name, accessKeyId, owner }) => `${name} ${accessKeyId} ${owner.name}`}
        onOpen={setRenaming}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(140px, 1.5fr)",
            sort: ({ name }) => name,
            cell: ({ name }) => name,
          },
          {
            key: "id",
            header: t("access.keyId"),
            width: "minmax(220px, 2fr)",
            cell: ({ accessKeyId }) => (
              <span style={{ display: "flex", alignItems: "center", gap: 4, minWidth: 0 }}>
                <code style={{ overflow: "hidden", textOverflow: "ellipsis" }}>{accessKeyId}</code>
                <CopyButton value={accessKeyId} />
              </span>
            ),
          },
          { key: "owner", header: t("access.owner"), sort: ({ owner }) => owner.name, cell: ({ owner }) => owner.name },
          {
            key: "rights",
            header: t("access.rights"),
            cell: ({ readOnly }) => (readOnly ? t("access.readOnly") : t("access.readWrite")),
          },
          {
            key: "state",
            header: t("ui.status"),
            width: "minmax(112px, 1fr)",
            cell: ({ enabled }) => (
              <StatusBadge tone={enabled ? "good" : "off"}>{enabled ? t("access.enabled") : t("access.disabled")}</StatusBadge>
            ),
          },
          {
            key: "lastUsed",
            header: t("ui.lastUsed"),
            sort: ({ lastUsedAt }) => lastUsedAt,
            cell: ({ lastUsedAt }) => <TimeAgo at={lastUsedAt} never={t("ui.never")} />,
          },
          {
            key: "created",
            header: t("ui.created"),
            optional: true,
            sort: ({ createdAt }) => createdAt,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
        ]}
        rowActions={(key) => [
          { label: t("ui.edit"), icon: IconPencil, onClick: () => setRenaming(key) },
          {
            label: key.enabled ? t("access.disable") : t("access.enable"),
            icon: key.enabled ? IconBan : IconCheck,
            onClick: () => void toggle(key),
          },
          { label: t("ui.delete"), icon: IconTrash, danger: true, onClick: () => setDeleting([key]) },
        ]}
        bulkActions={[{ label: t("ui.delete"), icon: IconTrash, danger: true, run: setDeleting }]}
        empty={
          <EmptyState
            picture="key"
            title={t("access.noKeys")}
            text={t("access.noKeysText")}
            action={create}
            command={`khmara access-key create --project ${project.id}`}
          />
        }
      />
      {creating && (
        <CreateAccessKey
          onClose={() => setCreating(false)}
          onMade={(key) => {
            setCreating(false);
            setMade(key);
          }}
        />
      )}
      {made && <AccessKeyCreated made={made} onClose={() => setMade(undefined)} />}
      {renaming && <RenameAccessKey accessKey={renaming} onClose={() => setRenaming(undefined)} />}
      <ConfirmDestroy
        opened={deleting.length > 0}
        onClose={() => setDeleting([])}
        title={
          deleting.length === 1
            ? t("access.deleteKeyTitle", { name: deleting[0]?.name ?? "" })
            : t("access.deleteKeys", { count: deleting.length })
        }
        destroyed={[t("access.deleteKeyGoes")]}
        kept={[t("access.deleteKeyStays")]}
        action={t("ui.delete")}
        onConfirm={async () => {
          for (const { id } of deleting) await remove.mutateAsync({ accessKey: id });
        }}
      >
        <span style={{ color: "var(--k-muted)", fontSize: 13 }}>{t("access.deleteKeyInstead")}</span>
      </ConfirmDestroy>
    </>
  );
}
