import { ActionIcon, Modal, Tooltip } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconChevronLeft, IconChevronRight, IconDownload, IconInfoCircle, IconLink, IconTrash, IconX } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket, ObjectEntry } from "../../../services/objects/contract.ts";
import { client, invalidate, useApi } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import type { FileAct } from "./BrowserBar.tsx";
import { FileIcon } from "./FileIcon.tsx";
import { nameOf } from "./keys.ts";
import { ObjectDetails } from "./ObjectDetails.tsx";
import { PreviewContent } from "./PreviewContent.tsx";
import css from "./preview.module.css";
import { TagsDialog } from "./versions/TagsDialog.tsx";

interface Props {
  bucket: Bucket;
  objectKey: string;
  /** What the arrow keys go through. */
  siblings: ObjectEntry[];
  readOnly: boolean;
  initialDetails: boolean;
  /** A dialog stands before it. */
  suspended: boolean;
  onShow: (key: string) => void;
  onClose: () => void;
  onAct: (kind: FileAct, entry: ObjectEntry) => void;
}

/** One object over the whole window, with its details beside it and its neighbours one key away. */
export function ObjectPreview({
  bucket,
  objectKey,
  siblings,
  readOnly,
  initialDetails,
  suspended,
  onShow,
  onClose,
  onAct,
}: Props) {
  const t = useT();
  const [tagging, setTagging] = useState(false);
  const [details, setDetails] = useState(initialDetails || localStorage.getItem("khmara.details") === "1");
  const detail = useApi("objectGet", { bucket: bucket.name, key: objectKey });
  const at = siblings.findIndex(({ key }) => key === objectKey);
  const previous = siblings[at - 1];
  const next = at >= 0 ? siblings[at + 1] : undefined;
  const entry: ObjectEntry = siblings[at] ?? {
    kind: "object",
    key: objectKey,
    name: nameOf(objectKey),
    sizeBytes: detail.data?.sizeBytes,
    contentType: detail.data?.contentType,
  };
  const address = (disposition: "inline" | "attachment") =>
    client.url("objectDownload", { bucket: bucket.name, key: objectKey, disposition });
  const step = (to: ObjectEntry | undefined) => {
    if (to && !suspended && !tagging) onShow(to.key);
  };
  useHotkeys([
    ["ArrowLeft", () => step(previous)],
    ["ArrowRight", () => step(next)],
    ["i", () => setDetails(!details)],
  ]);

  return (
    <Modal.Root
      opened
      onClose={onClose}
      fullScreen
      transitionProps={{ duration: 100 }}
      closeOnEscape={!suspended && !tagging}
      trapFocus={!suspended && !tagging}
    >
      <Modal.Content radius={0} aria-label={entry.name} className={css.content}>
        <div className={css.screen}>
          <div className={css.header}>
            <FileIcon entry={entry} />
            <h2 className={css.title} title={entry.name}>
              {entry.name}
            </h2>
            {at >= 0 && siblings.length > 1 && (
              <span className={css.position}>{t("objects.preview.position", { at: at + 1, of: siblings.length })}</span>
            )}
            <Tooltip label={t("ui.download")}>
              <ActionIcon
                component="a"
                href={address("attachment")}
                download={entry.name}
                variant="subtle"
                color="gray"
                size={36}
                aria-label={t("ui.download")}
              >
                <IconDownload size={20} stroke={1.6} aria-hidden />
              </ActionIcon>
            </Tooltip>
            {!readOnly && (
              <>
                <Tooltip label={t("objects.share")}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size={36}
                    aria-label={t("objects.share")}
                    onClick={() => onAct("share", entry)}
                  >
                    <IconLink size={20} stroke={1.6} aria-hidden />
                  </ActionIcon>
                </Tooltip>
                <Tooltip label={t("ui.delete")}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size={36}
                    aria-label={t("ui.delete")}
                    onClick={() => {
                      onAct("trash", entry);
                      const neighbour = next ?? previous;
                      if (neighbour) onShow(neighbour.key);
                      else onClose();
                    }}
                  >
                    <IconTrash size={20} stroke={1.6} aria-hidden />
                  </ActionIcon>
                </Tooltip>
              </>
            )}
            <Tooltip label={t("objects.details")}>
              <ActionIcon
                variant={details ? "light" : "subtle"}
                color={details ? "sky" : "gray"}
                size={36}
                aria-label={t("objects.details")}
                aria-pressed={details}
                onClick={() => {
                  localStorage.setItem("khmara.details", details ? "0" : "1");
                  setDetails(!details);
                }}
              >
                <IconInfoCircle size={20} stroke={1.6} aria-hidden />
              </ActionIcon>
            </Tooltip>
            <Tooltip label={t("ui.close")}>
              <ActionIcon variant="subtle" color="gray" size={36} aria-label={t("ui.close")} onClick={onClose} data-autofocus>
                <IconX size={20} stroke={1.6} aria-hidden />
              </ActionIcon>
            </Tooltip>
          </div>
          <div className={css.body}>
            <div className={css.stage}>
              <PreviewContent
                name={entry.name}
                contentType={detail.data?.contentType ?? entry.contentType}
                sizeBytes={detail.data?.sizeBytes ?? entry.sizeBytes ?? 0}
                source={address("inline")}
                download={address("attachment")}
                error={detail.error}
              />
              {previous && (
                <ActionIcon
                  className={css.previous}
                  variant="default"
                  size={40}
                  radius="xl"
                  aria-label={t("objects.preview.previous")}
                  onClick={() => step(previous)}
                >
                  <IconChevronLeft size={20} aria-hidden />
                </ActionIcon>
              )}
              {next && (
                <ActionIcon
                  className={css.next}
                  variant="default"
                  size={40}
                  radius="xl"
                  aria-label={t("objects.preview.next")}
                  onClick={() => step(next)}
                >
                  <IconChevronRight size={20} aria-hidden />
                </ActionIcon>
              )}
            </div>
            {details && (
              <ObjectDetails
                bucket={bucket.name}
                objectKey={objectKey}
                detail={detail.data}
                onTags={readOnly ? undefined : () => setTagging(true)}
              />
            )}
          </div>
        </div>
        {tagging && (
          <TagsDialog
            bucket={bucket.name}
            objectKey={objectKey}
            onClose={() => setTagging(false)}
            onDone={() => invalidate(queries, ["objectGet"])}
          />
        )}
      </Modal.Content>
    </Modal.Root>
  );
}
