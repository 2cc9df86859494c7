import { ActionIcon, Button, CloseButton, SegmentedControl, Switch, TextInput, Tooltip } from "@mantine/core";
import {
  IconChevronRight,
  IconDownload,
  IconFolderPlus,
  IconFolderShare,
  IconLayoutGrid,
  IconLink,
  IconList,
  IconPencil,
  IconSearch,
  IconTrash,
} from "@tabler/icons-react";
import { type DragEvent, Fragment, type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./browser.module.css";
import { foldersOf } from "./keys.ts";

export type FileAct = "download" | "share" | "move" | "rename" | "details" | "versions" | "trash";

interface Props {
  bucket: string;
  prefix: string;
  words: string;
  onWords: (words: string) => void;
  grid: boolean;
  onGrid: (on: boolean) => void;
  readOnly: boolean;
  selected: ObjectEntry[];
  everything: boolean;
  allLoaded: boolean;
  onSelectAll: () => Promise<void>;
  onClear: () => void;
  onGoTo: (prefix: string) => void;
  onDropInto: (event: DragEvent, prefix: string) => void;
  onNewFolder: () => void;
  /** Whether old versions and what was deleted are shown; absent where the bucket keeps none. */
  versions?: boolean | undefined;
  onVersions: (on: boolean) => void;
  onAct: (kind: FileAct) => void;
  upload: ReactNode;
}

/** Where one is and what can be done here; with a selection, what can be done with it, in the same place. */
export function BrowserBar(props: Props) {
  const search = useRef<HTMLInputElement>(null);
  const { onClear } = props;
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const typing = (event.target as HTMLElement).closest(
        "input:not([type=checkbox]), textarea, [contenteditable], [role=dialog]",
      );
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      // With a selection the field is not there: it comes back first.
      if (!search.current) flushSync(onClear);
      search.current?.focus();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, [onClear]);
  return (
    <div className={css.bar}>
      {props.selected.length > 0 ? <SelectionTools {...props} /> : <PlaceTools {...props} searchRef={search} />}
    </div>
  );
}

function PlaceTools(props: Props & { searchRef: RefObject<HTMLInputElement | null> }) {
  const t = useT();
  return (
    <>
      <Crumbs {...props} />
      <div className={css.tools}>
        {props.versions !== undefined && (
          <Switch
            className={css.versions}
            label={t("versions.show")}
            checked={props.versions}
            onChange={(event) => props.onVersions(event.currentTarget.checked)}
          />
        )}
        {!props.versions && <FileTools {...props} />}
      </div>
    </>
  );
}

function FileTools(props: Props & { searchRef: RefObject<HTMLInputElement | null> }) {
  const t = useT();
  return (
    <>
      <TextInput
        ref={props.searchRef}
        className={css.search}
        aria-label={t("objects.search")}
        placeholder={t("objects.search")}
        value={props.words}
        onChange={(event) => props.onWords(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") props.onWords("");
        }}
        leftSection={<IconSearch size={16} stroke={1.6} aria-hidden />}
        rightSection={props.words ? <CloseButton size="sm" aria-label={t("ui.clear")} onClick={() => props.onWords("")} /> : null}
      />
      <SegmentedControl
        size="xs"
        aria-label={t("objects.view")}
        value={props.grid ? "grid" : "list"}
        onChange={(value) => props.onGrid(value === "grid")}
        data={[
          { value: "list", label: <ViewLabel icon={<IconList size={16} aria-hidden />} words={t("objects.view.list")} /> },
          {
            value: "grid",
            label: <ViewLabel icon={<IconLayoutGrid size={16} aria-hidden />} words={t("objects.view.grid")} />,
          },
        ]}
      />
      {!props.readOnly && (
        <>
          <Tooltip label={t("objects.folder.new")}>
            <ActionIcon variant="default" size={36} aria-label={t("objects.folder.new")} onClick={props.onNewFolder}>
              <IconFolderPlus size={18} stroke={1.6} aria-hidden />
            </ActionIcon>
          </Tooltip>
          {props.upload}
        </>
      )}
    </>
  );
}

function ViewLabel({ icon, words }: { icon: ReactNode; words: string }) {
  return (
    <Tooltip label={words}>
      <span style={{ display: "flex", alignItems: "center", height: 22 }} role="img" aria-label={words}>
        {icon}
      </span>
    </Tooltip>
  );
}

function Crumbs({ bucket, prefix, onGoTo, onDropInto }: Props) {
  const t = useT();
  const [over, setOver] = useState<string>();
  const folders = [{ name: bucket, prefix: "" }, ...foldersOf(prefix)];
  return (
    <ol className={css.crumbs} aria-label={t("objects.path")}>
      {folders.map((folder, index) => (
        <Fragment key={folder.prefix}>
          <li>
            {index > 0 && <IconChevronRight size={16} aria-hidden />}
            <button
              type="button"
              className={css.crumb}
              title={folder.name}
              aria-current={folder.prefix === prefix ? "location" : undefined}
              data-over={over === folder.prefix || undefined}
              onClick={() => onGoTo(folder.prefix)}
              onDragOver={(event) => {
                event.preventDefault();
                setOver(folder.prefix);
              }}
              onDragLeave={() => setOver(undefined)}
              onDrop={(event) => {
                event.preventDefault();
                setOver(undefined);
                onDropInto(event, folder.prefix);
              }}
            >
              {folder.name}
            </button>
          </li>
        </Fragment>
      ))}
    </ol>
  );
}

function SelectionTools(props: Props) {
  const t = useT();
  const format = useFormat();
  const [reading, setReading] = useState(false);
  const { selected } = props;
  const [first] = selected;
  const one = selected.length === 1;
  const file = one && first?.kind === "object";
  const bytes = selected.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0);
  const tool = (kind: FileAct, icon: ReactNode, words: string, disabled?: string) => (
    <Tooltip label={disabled ?? words}>
      <Button
        variant="subtle"
        color={kind === "trash" ? "red" : "gray"}
        size="compact-md"
        c={kind === "trash" ? "var(--k-bad)" : "var(--k-text)"}
        leftSection={icon}
        {...(disabled ? { "data-disabled": true, "aria-disabled": true } : {})}
        aria-label={words}
        styles={{ section: { marginInlineEnd: 6 } }}
        onClick={() => {
          if (!disabled) props.onAct(kind);
        }}
      >
        <span className={css.toolWords}>{words}</span>
      </Button>
    </Tooltip>
  );
  return (
    <div className={css.selected} role="toolbar" aria-label={t("objects.selection")}>
      <CloseButton aria-label={t("ui.clearSelection")} onClick={props.onClear} />
      <span className={css.selectedWords} role="status">
        {t("ui.selected", { count: selected.length })}
        {bytes > 0 && <small>{format.bytes(bytes)}</small>}
        {props.everything && !props.allLoaded && (
          <Button
            ml="xs"
            size="compact-sm"
            variant="subtle"
            loading={reading}
            onClick={async () => {
              setReading(true);
              await props.onSelectAll().finally(() => setReading(false));
            }}
          >
            {t("objects.select.rest")}
          </Button>
        )}
      </span>
      {tool("download", <IconDownload size={18} stroke={1.6} aria-hidden />, t("ui.download"))}
      {!props.readOnly && (
        <>
          {tool(
            "share",
            <IconLink size={18} stroke={1.6} aria-hidden />,
            t("objects.share"),
            file ? undefined : t("objects.share.onlyOne"),
          )}
          {tool("move", <IconFolderShare size={18} stroke={1.6} aria-hidden />, t("objects.move"))}
          {tool(
            "rename",
            <IconPencil size={18} stroke={1.6} aria-hidden />,
            t("ui.rename"),
            one ? undefined : t("objects.rename.onlyOne"),
          )}
          {tool("trash", <IconTrash size={18} stroke={1.6} aria-hidden />, t("ui.delete"))}
        </>
      )}
    </div>
  );
}
