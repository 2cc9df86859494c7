import { Modal, Stack, Text } from "@mantine/core";
import type { Bucket, ObjectEntry } from "../../../services/objects/contract.ts";
import { useCloud } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import type { ObjectActions } from "./actions.ts";
import type { FileAct } from "./BrowserBar.tsx";
import { nameOf, parentOf } from "./keys.ts";
import { MoveDialog } from "./MoveDialog.tsx";
import { NameDialog } from "./NameDialog.tsx";
import { ObjectPreview } from "./ObjectPreview.tsx";
import { ShareDialog } from "./ShareDialog.tsx";

export type Dialog =
  | { kind: "newFolder" }
  | { kind: "rename" | "share" | "details" | "folderDownload"; entry: ObjectEntry }
  | { kind: "move"; entries: ObjectEntry[] };

interface Props {
  bucket: Bucket;
  prefix: string;
  dialog: Dialog | undefined;
  onClose: () => void;
  actions: ObjectActions;
  taken: (name: string) => boolean;
  previewKey: string | undefined;
  previewable: ObjectEntry[];
  readOnly: boolean;
  onPreview: (key: string | undefined, details?: boolean) => void;
  onAct: (kind: FileAct, entry: ObjectEntry) => void;
}

/** One dialog at a time over the file browser; which one is the browser's state. */
export function FileDialogs(props: Props) {
  const { bucket, prefix, dialog, onClose, actions } = props;
  const t = useT();
  const previewed = dialog?.kind === "details" ? dialog.entry.key : props.previewKey;
  return (
    <>
      {dialog?.kind === "newFolder" && (
        <NameDialog
          title={t("objects.folder.new")}
          label={t("objects.folder.name")}
          initial=""
          prefix={prefix}
          taken={props.taken}
          action={t("ui.create")}
          onClose={onClose}
          onName={(name) => actions.newFolder(prefix, name)}
        />
      )}
      {dialog?.kind === "rename" && (
        <NameDialog
          title={dialog.entry.kind === "folder" ? t("objects.rename.folder") : t("objects.rename.file")}
          label={t("ui.name")}
          initial={dialog.entry.name}
          prefix={parentOf(dialog.entry.key)}
          taken={(name) => name !== dialog.entry.name && props.taken(name)}
          action={t("ui.rename")}
          note={dialog.entry.kind === "folder" ? t("objects.rename.folderNote") : undefined}
          onClose={onClose}
          onName={async (name) => {
            // The dialog need not stay for a folder of thousands: a toast tells how far it is.
            if (name !== dialog.entry.name) void actions.rename(dialog.entry.key, name);
          }}
        />
      )}
      {dialog?.kind === "move" && (
        <MoveDialog
          bucket={bucket.name}
          entries={dialog.entries}
          onClose={onClose}
          onMove={(target) => {
            onClose();
            void actions.move(
              dialog.entries.map(({ key }) => key),
              target,
            );
          }}
        />
      )}
      {dialog?.kind === "share" && <ShareDialog bucket={bucket.name} objectKey={dialog.entry.key} onClose={onClose} />}
      {dialog?.kind === "folderDownload" && <FolderDownload bucket={bucket.name} prefix={dialog.entry.key} onClose={onClose} />}
      {previewed !== undefined && (
        <ObjectPreview
          key={previewed}
          bucket={bucket}
          objectKey={previewed}
          siblings={props.previewable}
          readOnly={props.readOnly}
          initialDetails={dialog?.kind === "details"}
          suspended={dialog !== undefined && dialog.kind !== "details"}
          onShow={(key) => {
            if (dialog?.kind === "details") onClose();
            props.onPreview(key);
          }}
          onClose={() => {
            if (dialog?.kind === "details") onClose();
            else props.onPreview(undefined);
          }}
          onAct={props.onAct}
        />
      )}
    </>
  );
}

/** A folder is many objects and a browser cannot save many as one: the command line can. */
function FolderDownload({ bucket, prefix, onClose }: { bucket: string; prefix: string; onClose: () => void }) {
  const t = useT();
  const cloud = useCloud();
  const endpoint = cloud?.s3.endpoint ?? "";
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t("objects.folder.download", { name: nameOf(prefix) })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Stack>
        <Text>{t("objects.folder.downloadText")}</Text>
        <CopyField
          label="AWS CLI"
          value={`aws --endpoint-url ${endpoint} s3 cp --recursive "s3://${bucket}/${prefix}" "./${nameOf(prefix)}"`}
        />
        <CopyField label="rclone" value={`rclone copy "khmara:${bucket}/${prefix}" "./${nameOf(prefix)}" --progress`} />
        <Text size="sm" c="dimmed">
          {t("objects.folder.downloadKey")}
        </Text>
      </Stack>
    </Modal>
  );
}
