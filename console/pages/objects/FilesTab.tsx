import { Button, Progress } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Bucket, ObjectEntry } from "../../../services/objects/contract.ts";
import { useApi } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useCloud } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { useObjectActions } from "./actions.ts";
import { useAddress } from "./address.ts";
import { BrowserBar } from "./BrowserBar.tsx";
import css from "./browser.module.css";
import { type Dialog, FileDialogs } from "./FileDialogs.tsx";
import { FilesSkeleton } from "./FilesSkeleton.tsx";
import { InterruptedUploads } from "./InterruptedUploads.tsx";
import { nameOf, parentOf } from "./keys.ts";
import { type Sort, useListing } from "./listing.ts";
import { ObjectGrid } from "./ObjectGrid.tsx";
import { ObjectMenu } from "./ObjectMenu.tsx";
import { type EntriesProps, ObjectTable, Part } from "./ObjectTable.tsx";
import { clicked, kept, nothingSelected, type Selection, toggled } from "./selection.ts";
import { UploadButton } from "./UploadButton.tsx";
import { uploads } from "./uploads.ts";
import { useFileDrops } from "./useFileDrops.ts";
import { useFileKeys } from "./useFileKeys.ts";
import { VersionsTable } from "./versions/VersionsTable.tsx";

const rowId = (key: string) => `entry-${encodeURIComponent(key)}`;

/** As the lists have it: `?sort=-size` is the largest first. */
function sortOf(text: string | undefined): Sort {
  const by = text?.replace(/^-/, "");
  return { by: by === "size" || by === "modified" ? by : "name", descending: text?.startsWith("-") ?? false };
}

export function FilesTab({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const format = useFormat();
  const cloud = useCloud();
  const [address, changeAddress] = useAddress();
  const prefix = address["path"] ?? "";
  const [words, setWords] = useState(address["q"] ?? "");
  const [search] = useDebouncedValue(words.trim(), 300);
  const grid = address["view"] === "grid";
  const sort = useMemo(() => sortOf(address["sort"]), [address]);

  const settings = useApi("bucketSettingsGet", { bucket: bucket.name }).data;
  const keepsVersions = settings !== undefined && settings.versioning !== "never";
  const showsVersions = keepsVersions && address["versions"] !== undefined;
  const listing = useListing(bucket.name, prefix, search, sort);
  const actions = useObjectActions(bucket.name, listing.refresh);
  const [selection, setSelection] = useState<Selection>(nothingSelected);
  const [dialog, setDialog] = useState<Dialog>();
  const [menu, setMenu] = useState<{ entry: ObjectEntry; at: { x: number; y: number } }>();
  const [allWanted, setAllWanted] = useState(false);
  const scrollTo = useRef<((index: number) => void) | null>(null);
  const columns = useRef(1);
  const area = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if ((address["q"] ?? "") !== search) changeAddress({ q: search || undefined });
  }, [search, address, changeAddress]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another folder or search begins with nothing selected
  useEffect(() => setSelection(nothingSelected), [prefix, search]);

  const entries = useMemo(
    () => listing.entries?.filter(({ key }) => !actions.leaving.has(key)),
    [listing.entries, actions.leaving],
  );
  const order = useMemo(() => (entries ?? []).map(({ key }) => key), [entries]);
  const byKey = useMemo(() => new Map((entries ?? []).map((entry) => [entry.key, entry])), [entries]);
  useEffect(() => {
    if (entries && !listing.loading) setSelection((now) => kept(now, new Set(order)));
  }, [entries, order, listing.loading]);
  // "The rest too" was pressed, and the rest has come.
  useEffect(() => {
    if (!allWanted || listing.hasMore) return;
    setAllWanted(false);
    setSelection((now) => ({ ...now, selected: new Set(order) }));
  }, [allWanted, listing.hasMore, order]);
  const selectedEntries = useMemo(
    () => [...selection.selected].flatMap((key) => byKey.get(key) ?? []),
    [selection.selected, byKey],
  );

  const goTo = useCallback(
    (to: string) => {
      setWords("");
      changeAddress({ path: to || undefined, q: undefined, of: undefined }, { push: true });
      window.scrollTo({ top: 0 });
    },
    [changeAddress],
  );
  const open = useCallback(
    (entry: ObjectEntry) => {
      if (entry.kind === "folder") goTo(entry.key);
      else changeAddress({ preview: entry.key }, { push: true });
    },
    [goTo, changeAddress],
  );
  const closeDialog = () => {
    setDialog(undefined);
    setTimeout(() => area.current?.focus({ preventScroll: true }), 0);
  };
  const trash = (chosen: ObjectEntry[]) => {
    if (chosen.length === 0 || readOnly) return;
    setSelection(nothingSelected);
    void actions.trash(chosen.map(({ key }) => key));
  };

  useFileKeys({
    enabled: !showsVersions && dialog === undefined && menu === undefined && address["preview"] === undefined,
    selection,
    order,
    columns: grid ? columns : undefined,
    onSelection: (next) => {
      setSelection(next);
      if (next.cursor !== undefined && next.cursor !== selection.cursor) scrollTo.current?.(order.indexOf(next.cursor));
    },
    onOpen: (key) => {
      const entry = byKey.get(key);
      if (entry) open(entry);
    },
    onUp: () => {
      if (prefix) goTo(parentOf(prefix));
    },
    onTrash: () => trash(selectedEntries),
    onRename: () => {
      const [only] = selectedEntries;
      if (only && selectedEntries.length === 1 && !readOnly) setDialog({ kind: "rename", entry: only });
    },
  });

  const drops = useFileDrops({
    readOnly,
    selected: selection.selected,
    onUpload: (target, tree) => {
      uploads.add(bucket.name, target, tree.files);
      for (const folder of tree.emptyFolders) void actions.newFolder(target, folder.slice(0, -1)).catch(() => {});
    },
    onMove: (target, keys) => {
      const away = keys.filter((key) => key !== target && parentOf(key) !== target && !target.startsWith(key));
      if (away.length > 0) void actions.move(away, target);
    },
  });

  const act = (kind: Exclude<Dialog["kind"], "newFolder"> | "versions", chosen: ObjectEntry[]) => {
    const [first] = chosen;
    if (!first) return;
    if (kind === "versions") changeAddress({ versions: "1", of: first.key }, { push: true });
    else if (kind === "move") setDialog({ kind, entries: chosen });
    else setDialog({ kind, entry: first });
  };
  const download = (chosen: ObjectEntry[]) => {
    const folder = chosen.find((entry) => entry.kind === "folder");
    if (folder) setDialog({ kind: "folderDownload", entry: folder });
    else void actions.download(chosen);
  };

  const entriesProps: EntriesProps = {
    entries: entries ?? [],
    selection,
    showFolder: search ? prefix : undefined,
    bucket: bucket.name,
    readOnly,
    sort,
    onSort: (by) => {
      // Newest and largest first is what one looks for.
      const descending = sort.by === by ? !sort.descending : by !== "name";
      changeAddress({ sort: by === "name" && !descending ? undefined : `${descending ? "-" : ""}${by}` });
    },
    onClick: (key, modifiers) => setSelection((now) => clicked(now, order, key, modifiers)),
    onToggle: (key) => setSelection((now) => toggled(now, key)),
    onToggleAll: () =>
      setSelection((now) => (now.selected.size === order.length ? nothingSelected : { ...now, selected: new Set(order) })),
    onOpen: open,
    onMenu: (entry, at) => {
      if (!selection.selected.has(entry.key))
        setSelection({ selected: new Set([entry.key]), cursor: entry.key, anchor: entry.key });
      setMenu({ entry, at });
    },
    onDragStart: drops.dragStart,
    onDropInto: (event, folder) => drops.drop(event, folder.key),
    hasMore: listing.hasMore,
    onLoadMore: listing.loadMore,
    scrollTo,
    rowId,
  };
  const menuEntries = menu && selection.selected.has(menu.entry.key) ? selectedEntries : menu ? [menu.entry] : [];
  const upload = readOnly ? null : <UploadButton bucket={bucket.name} prefix={prefix} />;

  return (
    <>
      <InterruptedUploads bucket={bucket.name} />
      <BrowserBar
        bucket={bucket.name}
        prefix={prefix}
        words={words}
        onWords={setWords}
        grid={grid}
        onGrid={(on) => changeAddress({ view: on ? "grid" : undefined })}
        readOnly={readOnly}
        selected={showsVersions ? [] : selectedEntries}
        versions={keepsVersions ? showsVersions : undefined}
        onVersions={(on) => changeAddress({ versions: on ? "1" : undefined, of: undefined }, { push: true })}
        allLoaded={!listing.hasMore}
        everything={order.length > 0 && selection.selected.size === order.length}
        onSelectAll={async () => {
          await listing.loadAll();
          setAllWanted(true);
        }}
        onClear={() => setSelection(nothingSelected)}
        onGoTo={goTo}
        onDropInto={drops.drop}
        onNewFolder={() => setDialog({ kind: "newFolder" })}
        onAct={(kind) =>
          kind === "trash" ? trash(selectedEntries) : kind === "download" ? download(selectedEntries) : act(kind, selectedEntries)
        }
        upload={entries?.length === 0 && !search ? null : upload}
      />
      {settings && showsVersions && (
        <VersionsTable
          bucket={bucket}
          settings={settings}
          prefix={prefix}
          of={address["of"]}
          readOnly={readOnly}
          onFolder={goTo}
          onOf={(of) => changeAddress({ of }, { push: true })}
        />
      )}
      {listing.stale && !showsVersions && (
        <div className={css.note} role="status">
          <span>{t("objects.stale")}</span>
          <Button size="compact-sm" variant="light" onClick={() => void listing.refresh()}>
            {t("objects.stale.refresh")}
          </Button>
        </div>
      )}
      {!showsVersions && (
        <Part className={css.place} {...drops.area(prefix)}>
          {drops.over && (
            <div className={css.dropping}>{t("objects.drop.here", { place: prefix ? nameOf(prefix) : bucket.name })}</div>
          )}
          <Part
            ref={area}
            role={entries && entries.length > 0 ? "grid" : undefined}
            aria-label={prefix ? nameOf(prefix) : bucket.name}
            aria-multiselectable={entries && entries.length > 0 ? true : undefined}
            aria-rowcount={entries && entries.length > 0 ? (listing.hasMore || grid ? -1 : order.length + 1) : undefined}
            aria-activedescendant={selection.cursor === undefined ? undefined : rowId(selection.cursor)}
            tabIndex={0}
            className={css.area}
          >
            {listing.error && !entries ? (
              <EmptyState
                picture="storm"
                title={t("objects.list.failed")}
                text={errorText(listing.error)}
                action={<Button onClick={() => void listing.refresh()}>{t("objects.retry")}</Button>}
              />
            ) : !entries ? (
              <FilesSkeleton />
            ) : entries.length === 0 && !listing.hasMore ? (
              search ? (
                <EmptyState
                  picture="search"
                  title={t("objects.search.none", { words: search })}
                  text={t("objects.search.noneText", { count: listing.searchedKeys })}
                />
              ) : (
                <EmptyState
                  picture="bucket"
                  title={prefix ? t("objects.folder.empty") : t("objects.bucket.empty")}
                  text={readOnly ? t("objects.bucket.emptyReader") : t("objects.bucket.emptyText")}
                  action={upload}
                  command={
                    readOnly
                      ? undefined
                      : `aws --endpoint-url ${cloud?.s3.endpoint ?? ""} s3 cp report.pdf "s3://${bucket.name}/${prefix}"`
                  }
                />
              )
            ) : grid ? (
              <ObjectGrid
                {...entriesProps}
                columns={(count) => {
                  columns.current = count;
                }}
              />
            ) : (
              <ObjectTable {...entriesProps} />
            )}
          </Part>
          {entries && (entries.length > 0 || listing.hasMore) && (
            <div className={css.foot} role="status">
              {listing.loading && listing.hasMore && (
                <Progress value={100} animated size="xs" w={80} aria-label={t("objects.loading")} />
              )}
              {search ? (
                <>
                  <span>{t("objects.search.found", { count: order.length, looked: format.number(listing.searchedKeys) })}</span>
                  {listing.hasMore && (
                    <Button size="compact-sm" variant="subtle" loading={listing.loading} onClick={listing.loadMore}>
                      {t("objects.search.more")}
                    </Button>
                  )}
                </>
              ) : (
                <span>
                  {listing.hasMore ? t("objects.count.more", { count: order.length }) : t("ui.rows", { count: order.length })}
                </span>
              )}
            </div>
          )}
        </Part>
      )}
      {menu && (
        <ObjectMenu
          at={menu.at}
          entries={menuEntries}
          readOnly={readOnly}
          keepsVersions={keepsVersions}
          onClose={() => setMenu(undefined)}
          onOpen={() => open(menu.entry)}
          onAct={(kind) => {
            const chosen = menuEntries;
            setMenu(undefined);
            if (kind === "trash") trash(chosen);
            else if (kind === "download") download(chosen);
            else act(kind, chosen);
          }}
        />
      )}
      <FileDialogs
        bucket={bucket}
        prefix={prefix}
        dialog={dialog}
        onClose={closeDialog}
        actions={actions}
        taken={(name) => (entries ?? []).some((entry) => entry.name === name)}
        previewKey={address["preview"]}
        previewable={(entries ?? []).filter((entry) => entry.kind === "object")}
        readOnly={readOnly}
        onPreview={(key) => changeAddress({ preview: key }, { push: key !== undefined && address["preview"] === undefined })}
        onAct={(kind, entry) =>
          kind === "trash" ? trash([entry]) : kind === "download" ? download([entry]) : act(kind, [entry])
        }
      />
    </>
  );
}
