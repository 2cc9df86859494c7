import { Button, Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import type { Answer } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import css from "./preview.module.css";

/** Everything the store knows of an object, in words. */
export function ObjectDetails({
  bucket,
  objectKey,
  detail,
  onTags,
}: {
  bucket: string;
  objectKey: string;
  detail: Answer<"objectGet"> | undefined;
  /** Absent: they cannot be changed. */
  onTags?: (() => void) | undefined;
}) {
  const t = useT();
  const format = useFormat();
  const line = (label: string, value: ReactNode) =>
    value === undefined || value === "" ? null : (
      <div key={label}>
        <dt>{label}</dt>
        <dd>{value}</dd>
      </div>
    );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by keyboard
    <aside className={css.details} aria-label={t("objects.details")} tabIndex={0}>
      <h3>{t("objects.details")}</h3>
      {!detail ? (
        [70, 40, 55, 60].map((width) => <Skeleton key={width} height={14} width={`${width}%`} mb={20} />)
      ) : (
        <>
          <dl>
            {line(
              t("objects.column.size"),
              detail.sizeBytes < 1000
                ? format.bytes(detail.sizeBytes)
                : t("objects.details.size", { size: format.bytes(detail.sizeBytes), count: detail.sizeBytes }),
            )}
            {line(t("objects.details.type"), detail.contentType ?? t("objects.details.noType"))}
            {line(
              t("objects.column.modified"),
              <time title={format.exact(detail.modifiedAt)}>{format.dateTime(detail.modifiedAt)}</time>,
            )}
            {line(t("objects.details.encoding"), detail.contentEncoding)}
            {line(t("objects.details.cache"), detail.cacheControl)}
            {line(t("objects.details.disposition"), detail.contentDisposition)}
            {line(t("objects.details.access"), t(detail.isPublic ? "objects.details.public" : "objects.details.private"))}
            {detail.retention &&
              line(t("versions.lock"), t("versions.lock.until", { date: format.date(detail.retention.until) }))}
            {detail.legalHold && line(t("versions.lock.holdLabel"), t("versions.lock.hold"))}
            {detail.parts > 1 && line(t("objects.details.parts"), format.number(detail.parts))}
          </dl>
          <div className={css.copy}>
            <CopyField label={t("objects.details.uri")} value={`s3://${bucket}/${objectKey}`} />
          </div>
          <div className={css.copy}>
            <CopyField label="ETag" value={detail.etag} />
          </div>
          {Object.entries(detail.checksums).map(([algorithm, value]) => (
            <div key={algorithm} className={css.copy}>
              <CopyField label={t("objects.details.checksum", { algorithm: algorithm.toUpperCase() })} value={value} />
            </div>
          ))}
          {(onTags || Object.keys(detail.tags).length > 0) && (
            <>
              <h4>{t("versions.tags")}</h4>
              <dl>{Object.entries(detail.tags).map(([name, value]) => line(name, value || "—"))}</dl>
              {onTags && (
                <Button variant="default" size="compact-sm" onClick={onTags}>
                  {t("versions.tags.edit")}
                </Button>
              )}
            </>
          )}
          {Object.keys(detail.metadata).length > 0 && (
            <>
              <h4>{t("objects.details.metadata")}</h4>
              <dl>{Object.entries(detail.metadata).map(([name, value]) => line(name, value))}</dl>
            </>
          )}
        </>
      )}
    </aside>
  );
}
