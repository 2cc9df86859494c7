import { Button, CloseButton } from "@mantine/core";
import { useRef, useState, useSyncExternalStore } from "react";
import { client } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { toastError } from "../../ui/toast.ts";
import css from "./browser.module.css";
import { parentOf } from "./keys.ts";
import type { RememberedUpload } from "./remembered.ts";
import { uploads } from "./uploads.ts";

/** Uploads that a reload or a closed lid cut off: the file given once more, they go on from where they were. */
export function InterruptedUploads({ bucket }: { bucket: string }) {
  const t = useT();
  const format = useFormat();
  const { items } = useSyncExternalStore(uploads.subscribe, uploads.snapshot);
  const [problem, setProblem] = useState<string>();
  const input = useRef<HTMLInputElement>(null);
  const wanted = useRef<RememberedUpload>(undefined);
  const [, forgotten] = useState(0);
  const active = new Set(items.filter((item) => item.bucket === bucket).map(({ key }) => key));
  const interrupted = uploads.remembered.list().filter((entry) => entry.bucket === bucket && !active.has(entry.key));
  const [first] = interrupted;
  if (!first) return null;

  const goOn = (file: File | undefined) => {
    const entry = wanted.current;
    if (!file || !entry) return;
    // Another file under this name would come out as a mixture of both.
    if (file.name !== entry.fileName || file.size !== entry.sizeBytes || file.lastModified !== entry.modifiedMs) {
      setProblem(t("objects.interrupted.other", { name: entry.fileName }));
      return;
    }
    setProblem(undefined);
    const prefix = parentOf(entry.key);
    uploads.add(bucket, prefix, [{ path: entry.key.slice(prefix.length), file }]);
  };

  return (
    <div className={css.note} data-tone="warn" role="status">
      <span>
        {problem ??
          t("objects.interrupted", {
            name: first.fileName,
            size: format.bytes(first.sizeBytes),
            date: format.dateTime(first.startedAt),
          })}
        {interrupted.length > 1 && ` ${t("objects.interrupted.more", { count: interrupted.length - 1 })}`}
      </span>
      <Button
        size="compact-sm"
        variant="default"
        onClick={() => {
          wanted.current = first;
          input.current?.click();
        }}
      >
        {t("objects.interrupted.choose")}
      </Button>
      <CloseButton
        size="sm"
        aria-label={t("objects.interrupted.giveUp")}
        title={t("objects.interrupted.giveUp")}
        onClick={() => {
          uploads.remembered.forget(first.uploadId);
          forgotten((count) => count + 1);
          void client.uploadDelete({ bucket, upload: first.uploadId }).catch(toastError);
        }}
      />
      <input
        ref={input}
        type="file"
        hidden
        aria-hidden
        tabIndex={-1}
        onChange={(event) => {
          goOn(event.currentTarget.files?.[0]);
          event.currentTarget.value = "";
        }}
      />
    </div>
  );
}
