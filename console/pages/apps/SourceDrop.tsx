import { ActionIcon, Button, Group, Loader } from "@mantine/core";
import { IconFileZip, IconFolder, IconFolderUp, IconX } from "@tabler/icons-react";
import { type DragEvent, useRef, useState } from "react";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./apps.module.css";
import { type ChosenSource, deployProblem, sourceName, takeDrop, takeFiles } from "./deploySource.ts";

/** Where source code is dropped, or chosen: then what of it is taken and what is not. */
export function SourceDrop(props: {
  source: ChosenSource | undefined;
  onSource: (source: ChosenSource | undefined) => void;
  onProblem: (problem: string | undefined) => void;
  disabled?: boolean;
}) {
  const t = useT();
  const format = useFormat();
  const { source, disabled = false } = props;
  const [over, setOver] = useState(false);
  const [reading, setReading] = useState(false);
  // Entering a child leaves the parent: only the balance says whether the pointer is still inside.
  const depth = useRef(0);
  const folder = useRef<HTMLInputElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const take = (coming: Promise<ChosenSource> | undefined) => {
    if (coming === undefined) return;
    setReading(true);
    props.onProblem(undefined);
    coming.then(props.onSource, (error: unknown) => props.onProblem(deployProblem(error))).finally(() => setReading(false));
  };
  const chosen = (input: HTMLInputElement) => {
    if (input.files?.length) take(takeFiles([...input.files]));
    // So that choosing the same again is a change.
    input.value = "";
  };
  const inside = (event: DragEvent, by: number) => {
    if (disabled || !event.dataTransfer.types.includes("Files")) return;
    depth.current = Math.max(0, depth.current + by);
    setOver(depth.current > 0);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a drop is for pointers; the buttons inside do the same for everybody
    <div
      className={css.drop}
      data-over={over || undefined}
      data-chosen={source ? true : undefined}
      onDragEnter={(event) => inside(event, 1)}
      onDragLeave={(event) => inside(event, -1)}
      onDragOver={(event) => {
        if (!disabled && event.dataTransfer.types.includes("Files")) event.preventDefault();
      }}
      onDrop={(event) => {
        if (disabled) return;
        event.preventDefault();
        depth.current = 0;
        setOver(false);
        take(takeDrop(event.dataTransfer));
      }}
    >
      {reading ? (
        <p role="status">
          <Loader size="xs" /> {t("deploy.reading")}
        </p>
      ) : source ? (
        <div className={css.chosen}>
          {source.kind === "archive" ? (
            <IconFileZip size={24} stroke={1.6} aria-hidden />
          ) : (
            <IconFolder size={24} stroke={1.6} aria-hidden />
          )}
          <div className={css.chosenWords}>
            <b>{sourceName(source)}</b>
            <span>
              {source.kind === "archive"
                ? format.bytes(source.file.size)
                : t("deploy.fileCount", { count: source.folder.files.length, size: format.bytes(source.folder.sizeBytes) })}
            </span>
            {source.kind === "folder" && source.folder.leftOutCount > 0 && (
              <span>
                {t("deploy.leftOut", { names: format.list(source.folder.leftOut) })}
                {source.folder.leftOutCount > source.folder.leftOut.length &&
                  ` ${t("deploy.andMore", { count: source.folder.leftOutCount - source.folder.leftOut.length })}`}
              </span>
            )}
          </div>
          {!disabled && (
            <ActionIcon variant="subtle" color="gray" aria-label={t("deploy.other")} onClick={() => props.onSource(undefined)}>
              <IconX size={16} />
            </ActionIcon>
          )}
        </div>
      ) : (
        <>
          <IconFolderUp size={32} stroke={1.4} aria-hidden />
          <p>
            <b>{t("deploy.drop")}</b>
          </p>
          <p className={css.muted}>{t("deploy.dropText")}</p>
          <Group justify="center" gap="sm">
            <Button variant="default" onClick={() => folder.current?.click()}>
              {t("deploy.chooseFolder")}
            </Button>
            <Button variant="default" onClick={() => file.current?.click()}>
              {t("deploy.chooseFile")}
            </Button>
          </Group>
        </>
      )}
      <input
        ref={folder}
        type="file"
        multiple
        hidden
        aria-hidden
        tabIndex={-1}
        onChange={(event) => chosen(event.currentTarget)}
        {...{ webkitdirectory: "" }}
      />
      <input ref={file} type="file" multiple hidden aria-hidden tabIndex={-1} onChange={(event) => chosen(event.currentTarget)} />
    </div>
  );
}
