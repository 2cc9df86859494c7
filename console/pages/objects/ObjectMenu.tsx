import { Menu } from "@mantine/core";
import {
  IconCopy,
  IconDownload,
  IconEye,
  IconFolderOpen,
  IconFolderShare,
  IconHistory,
  IconInfoCircle,
  IconLink,
  IconPencil,
  IconTrash,
} from "@tabler/icons-react";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import { useT } from "../../i18n/i18n.ts";
import type { FileAct } from "./BrowserBar.tsx";

interface Props {
  at: { x: number; y: number };
  entries: ObjectEntry[];
  readOnly: boolean;
  keepsVersions: boolean;
  onClose: () => void;
  onOpen: () => void;
  onAct: (kind: FileAct) => void;
}

/** What can be done with the entry under the pointer, or with the whole selection it is in. */
export function ObjectMenu({ at, entries, readOnly, keepsVersions, onClose, onOpen, onAct }: Props) {
  const t = useT();
  const [first] = entries;
  const one = entries.length === 1;
  const folder = first?.kind === "folder";
  return (
    <Menu
      opened
      onClose={onClose}
      position="bottom-start"
      width={220}
      withinPortal
      trapFocus
      returnFocus={false}
      withInitialFocusPlaceholder={false}
    >
      <Menu.Target>
        {/* Where the pointer was; the menu hangs on something that can have one. */}
        <button
          type="button"
          tabIndex={-1}
          aria-label={t("objects.menu.more")}
          style={{ position: "fixed", left: at.x, top: at.y, width: 0, height: 0, padding: 0, border: 0, opacity: 0 }}
        />
      </Menu.Target>
      <Menu.Dropdown aria-label={first ? t("objects.menu.of", { name: first.name }) : undefined}>
        {one && (
          <Menu.Item
            leftSection={folder ? <IconFolderOpen size={16} aria-hidden /> : <IconEye size={16} aria-hidden />}
            onClick={() => {
              onClose();
              onOpen();
            }}
          >
            {t("objects.open")}
          </Menu.Item>
        )}
        <Menu.Item leftSection={<IconDownload size={16} aria-hidden />} onClick={() => onAct("download")}>
          {t("ui.download")}
        </Menu.Item>
        {one && !folder && (
          <Menu.Item leftSection={<IconInfoCircle size={16} aria-hidden />} onClick={() => onAct("details")}>
            {t("objects.details")}
          </Menu.Item>
        )}
        {one && !folder && keepsVersions && (
          <Menu.Item leftSection={<IconHistory size={16} aria-hidden />} onClick={() => onAct("versions")}>
            {t("versions.title")}
          </Menu.Item>
        )}
        {one && first && (
          <Menu.Item
            leftSection={<IconCopy size={16} aria-hidden />}
            onClick={() => {
              void navigator.clipboard?.writeText(first.key);
              onClose();
            }}
          >
            {t("objects.key.copy")}
          </Menu.Item>
        )}
        {!readOnly && (
          <>
            <Menu.Divider />
            {one && !folder && (
              <Menu.Item leftSection={<IconLink size={16} aria-hidden />} onClick={() => onAct("share")}>
                {t("objects.share")}
              </Menu.Item>
            )}
            <Menu.Item leftSection={<IconFolderShare size={16} aria-hidden />} onClick={() => onAct("move")}>
              {t("objects.move")}
            </Menu.Item>
            {one && (
              <Menu.Item leftSection={<IconPencil size={16} aria-hidden />} onClick={() => onAct("rename")}>
                {t("ui.rename")}
              </Menu.Item>
            )}
            <Menu.Divider />
            <Menu.Item
              color="red"
              c="var(--k-bad)"
              leftSection={<IconTrash size={16} aria-hidden />}
              onClick={() => onAct("trash")}
            >
              {t("ui.delete")}
            </Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
