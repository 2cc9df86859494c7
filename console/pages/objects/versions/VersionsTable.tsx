import { Button } from "@mantine/core";
import { IconArrowBackUp, IconArrowLeft, IconDownload, IconLock, IconTag, IconTrash } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, type Item, invalidate, useApiList } from "../../../api/api.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";
import { FileIcon } from "../FileIcon.tsx";
import { nameOf } from "../keys.ts";
import { LockDialog } from "./LockDialog.tsx";
import { PurgeDialog } from "./PurgeDialog.tsx";
import { TagsDialog } from "./TagsDialog.tsx";
import css from "./versions.module.css";

export type Version = Item<"objectVersionList">;
type Dialog = { kind: "purge" | "lock" | "tags"; version: Version };

interface Props {
  bucket: Bucket;
  settings: Answer<"bucketSettingsGet">;
  prefix: string;
  /** All versions of this one object, in place of a folder's. */
  of: string | undefined;
  readOnly: boolean;
  onFolder: (prefix: string) => void;
  onOf: (key: string | undefined) => void;
}

/** What was there before: old versions, and what was deleted, each with the way to have it back. */
export function VersionsTable({ bucket, settings, prefix, of, readOnly, onFolder, onOf }: Props) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<Dialog>();
  const list = useApiList("objectVersionList", { bucket: bucket.name, ...(of === undefined ? { prefix } : { key: of }) });
  const refresh = () => invalidate(queries, ["objectVersionList", "objectList", "objectGet", "bucketGet", "bucketList"]);
  const act = async (work: () => Promise<unknown>, done: string) => {
    try {
      await work();
      toastDone(done);
      await refresh();
    } catch (error) {
      toastError(error);
    }
  };
  const restore = (version: Version) =>
    act(
      () => client.objectVersionRestore({ bucket: bucket.name, key: version.key, versionId: version.versionId ?? "null" }),
      t("versions.restore.done", { name: version.name, date: format.dateTime(version.modifiedAt ?? "") }),
    );
  const undelete = (version: Version) =>
    act(
      () => client.objectUndelete({ bucket: bucket.name, key: version.key }),
      t("versions.undelete.done", { name: version.name }),
    );
  const download = ({ key, versionId, name }: Version) => {
    const link = document.createElement("a");
    link.href = client.url("objectDownload", { bucket: bucket.name, key, ...(versionId === undefined ? {} : { versionId }) });
    link.download = name;
    link.click();
  };
  const actions = (version: Version) => {
    if (version.kind === "folder") return [];
    const open = (kind: Dialog["kind"]) => () => setDialog({ kind, version });
    const purge = { label: t("versions.purge"), icon: IconTrash, danger: true, onClick: open("purge") };
    if (version.kind === "marker") {
      if (readOnly) return [];
      const back = { label: t("versions.undelete"), icon: IconArrowBackUp, onClick: () => void undelete(version) };
      return version.isCurrent ? [back, purge] : [purge];
    }
    const save = { label: t("ui.download"), icon: IconDownload, onClick: () => download(version) };
    if (readOnly) return [save];
    return [
      {
        label: t("versions.restore"),
        icon: IconArrowBackUp,
        onClick: () => void restore(version),
        disabledReason: version.isCurrent ? t("versions.restore.current") : undefined,
      },
      save,
      { label: t("versions.tags.edit"), icon: IconTag, onClick: open("tags") },
      {
        label: t("versions.lock.edit"),
        icon: IconLock,
        onClick: open("lock"),
        disabledReason: settings.lock ? undefined : t("versions.lock.disabled"),
      },
      purge,
    ];
  };
  const close = () => setDialog(undefined);

  return (
    <>
      {of !== undefined && (
        <div className={css.head}>
          <h2>{t("versions.of", { name: nameOf(of) })}</h2>
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<IconArrowLeft size={16} aria-hidden />}
            onClick={() => onOf(undefined)}
          >
            {t("versions.back")}
          </Button>
        </div>
      )}
      <DataList
        id="versions"
        label={of === undefined ? t("versions.title") : t("versions.of", { name: nameOf(of) })}
        list={list}
        rowKey={({ kind, key, versionId = "" }) => `${kind} ${key} ${versionId}`}
        rowName={({ name }) => name}
        onOpen={(version) => {
          if (version.kind === "folder") onFolder(version.key);
          else if (of === undefined) onOf(version.key);
        }}
        columns={[
          {
            key: "name",
            header: t("versions.file"),
            primary: true,
            width: "minmax(160px, 2fr)",
            cell: (version) => (
              <span className={css.name} title={version.key} data-gone={isGone(version) || undefined}>
                <FileIcon entry={{ ...version, kind: version.kind === "folder" ? "folder" : "object" }} />
                <span>{version.name}</span>
              </span>
            ),
          },
          {
            key: "state",
            header: t("versions.state"),
            width: "minmax(120px, 160px)",
            phone: "bare",
            cell: (version) => <State version={version} />,
          },
          {
            key: "size",
            header: t("objects.column.size"),
            align: "right",
            width: "minmax(80px, 100px)",
            cell: ({ sizeBytes }) => (sizeBytes === undefined ? null : format.bytes(sizeBytes)),
          },
          {
            key: "written",
            header: t("versions.written"),
            width: "minmax(150px, 1fr)",
            cell: ({ modifiedAt }) =>
              modifiedAt === undefined ? null : <time title={format.exact(modifiedAt)}>{format.dateTime(modifiedAt)}</time>,
          },
          ...(settings.lock
            ? [
                {
                  key: "lock",
                  header: t("versions.lock"),
                  width: "minmax(120px, 1fr)",
                  cell: (version: Version) => <Lock version={version} />,
                },
              ]
            : []),
        ]}
        rowActions={actions}
        empty={<EmptyState picture="bucket" title={t("versions.empty")} text={t("versions.empty.text")} />}
      />
      {dialog?.kind === "purge" && <PurgeDialog bucket={bucket.name} version={dialog.version} onClose={close} onDone={refresh} />}
      {dialog?.kind === "lock" && <LockDialog bucket={bucket.name} version={dialog.version} onClose={close} onDone={refresh} />}
      {dialog?.kind === "tags" && (
        <TagsDialog
          bucket={bucket.name}
          objectKey={dialog.version.key}
          versionId={dialog.version.versionId}
          onClose={close}
          onDone={refresh}
        />
      )}
    </>
  );
}

const isGone = ({ kind, isCurrent }: Version) => kind !== "folder" && (kind === "marker" || !isCurrent);

function State({ version: { kind, isCurrent } }: { version: Version }) {
  const t = useT();
  if (kind === "folder") return <span className={css.quiet}>{t("versions.folder")}</span>;
  if (kind === "object")
    return (
      <StatusBadge tone={isCurrent ? "good" : "off"}>
        {t(isCurrent ? "versions.state.current" : "versions.state.old")}
      </StatusBadge>
    );
  return (
    <StatusBadge tone={isCurrent ? "bad" : "off"}>
      {t(isCurrent ? "versions.state.deleted" : "versions.state.marker")}
    </StatusBadge>
  );
}

function Lock({ version: { kind, retention, legalHold } }: { version: Version }) {
  const t = useT();
  const format = useFormat();
  if (kind !== "object") return null;
  const words = [
    ...(retention ? [t("versions.lock.until", { date: format.date(retention.until) })] : []),
    ...(legalHold ? [t("versions.lock.hold")] : []),
  ];
  if (words.length === 0) return <span className={css.quiet}>{t("versions.lock.none")}</span>;
  return (
    <span className={css.lock}>
      <IconLock size={14} aria-hidden />
      {words.join(" · ")}
    </span>
  );
}
