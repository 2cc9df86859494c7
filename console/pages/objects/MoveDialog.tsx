import { Button, Group, Modal, Skeleton, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconChevronRight, IconFolderFilled, IconFolderPlus } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { CloudError } from "../../../kernel/errors.ts";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import { client } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useT } from "../../i18n/i18n.ts";
import browser from "./browser.module.css";
import { foldersOf, nameOf, nameProblem, parentOf } from "./keys.ts";
import css from "./MoveDialog.module.css";

interface Props {
  bucket: string;
  entries: ObjectEntry[];
  onClose: () => void;
  onMove: (targetPrefix: string) => void;
}

/** Goes down the folders of the bucket to where the things shall be; the folder may be a new one. */
export function MoveDialog({ bucket, entries, onClose, onMove }: Props) {
  const t = useT();
  const from = parentOf(entries[0]?.key ?? "");
  const [prefix, setPrefix] = useState(from);
  const [newName, setNewName] = useState<string>();
  const [made, setMade] = useState<string[]>([]);
  const query = useInfiniteQuery<
    Awaited<ReturnType<typeof client.objectList>>,
    CloudError,
    { pages: { items: ObjectEntry[] }[] },
    readonly unknown[],
    string | undefined
  >({
    queryKey: ["objectList", "folders", bucket, prefix],
    queryFn: ({ pageParam, signal }) =>
      client.objectList({ bucket, prefix, limit: 1000, ...(pageParam ? { cursor: pageParam } : {}) }, { signal }),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor,
  });
  const moving = new Set(entries.map(({ key }) => key));
  const stored = query.data?.pages.flatMap((page) => page.items.filter(({ kind }) => kind === "folder").map(({ key }) => key));
  const folders = stored && [...new Set([...stored, ...made.filter((key) => parentOf(key) === prefix)])].sort();
  const already = entries.every(({ key }) => parentOf(key) === prefix);
  const crumbs = [{ name: bucket, prefix: "" }, ...foldersOf(prefix)];
  const problem =
    newName === undefined || newName === ""
      ? undefined
      : nameProblem(newName, prefix, (name) => (folders ?? []).some((key) => nameOf(key) === name));

  return (
    <Modal
      opened
      onClose={onClose}
      title={
        entries.length === 1
          ? t("objects.move.titleOne", { name: entries[0]?.name ?? "" })
          : t("objects.move.title", { count: entries.length })
      }
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Stack gap="sm">
        <ol className={browser.crumbs} aria-label={t("objects.path")}>
          {crumbs.map((folder, index) => (
            <li key={folder.prefix}>
              {index > 0 && <IconChevronRight size={16} aria-hidden />}
              <button
                type="button"
                className={browser.crumb}
                aria-current={folder.prefix === prefix ? "location" : undefined}
                onClick={() => setPrefix(folder.prefix)}
              >
                {folder.name}
              </button>
            </li>
          ))}
        </ol>
        <div className={css.folders}>
          {query.error ? (
            <Text p="md" c="dimmed">
              {errorText(query.error)}
            </Text>
          ) : !folders ? (
            [60, 40, 50].map((width) => <Skeleton key={width} height={14} width={`${width}%`} m={14} />)
          ) : folders.length === 0 ? (
            <Text p="md" c="dimmed">
              {t("objects.move.noFolders")}
            </Text>
          ) : (
            folders.map((key) => (
              <UnstyledButton key={key} className={css.folder} disabled={moving.has(key)} onClick={() => setPrefix(key)}>
                <IconFolderFilled size={18} className={browser.iconFolder} aria-hidden />
                <span>{nameOf(key)}</span>
                <IconChevronRight size={16} aria-hidden />
              </UnstyledButton>
            ))
          )}
          {query.hasNextPage && (
            <Button
              variant="subtle"
              size="compact-sm"
              m="sm"
              loading={query.isFetchingNextPage}
              onClick={() => void query.fetchNextPage()}
            >
              {t("objects.move.moreFolders")}
            </Button>
          )}
        </div>
        {newName === undefined ? (
          <Group>
            <Button
              variant="subtle"
              size="compact-md"
              leftSection={<IconFolderPlus size={16} aria-hidden />}
              onClick={() => setNewName("")}
            >
              {t("objects.folder.new")}
            </Button>
          </Group>
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (newName.trim() === "" || problem) return;
              const key = `${prefix}${newName.trim()}/`;
              // The move itself makes it: a folder is where something lies.
              setMade([...made, key]);
              setNewName(undefined);
              setPrefix(key);
            }}
          >
            <Group align="flex-start" gap="sm" wrap="nowrap">
              <TextInput
                flex={1}
                autoFocus
                aria-label={t("objects.folder.name")}
                placeholder={t("objects.folder.name")}
                value={newName}
                error={problem && t(`objects.name.${problem}`)}
                onChange={(event) => setNewName(event.currentTarget.value)}
              />
              <Button type="submit" variant="default">
                {t("ui.create")}
              </Button>
            </Group>
          </form>
        )}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            {t("ui.cancel")}
          </Button>
          <Button disabled={already} onClick={() => onMove(prefix)}>
            {t("objects.move.here")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
