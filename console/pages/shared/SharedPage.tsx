import { Button, Skeleton } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useParams } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { client, useApi } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { ColorSchemeButton } from "../../frame/ColorSchemeButton.tsx";
import { useCloud } from "../../frame/identity.ts";
import { LanguageMenu } from "../../frame/LanguageMenu.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { Mark } from "../../ui/Mark.tsx";
import { FileIcon } from "../objects/FileIcon.tsx";
import { previewOf } from "../objects/kinds.ts";
import { PreviewContent } from "../objects/PreviewContent.tsx";
import css from "./SharedPage.module.css";

export default function SharedPage() {
  const t = useT();
  const format = useFormat();
  const { token } = useParams({ strict: false }) as { token: string };
  const shared = useApi("sharedObjectGet", { token }, { staleTime: Number.POSITIVE_INFINITY });
  const address = (disposition: "inline" | "attachment") => client.url("sharedObjectDownload", { token, disposition });
  const { data, error } = shared;

  useEffect(() => {
    document.title = [data?.name ?? t("objects.shared.title"), "Khmara"].join(" · ");
  }, [data?.name, t]);

  if (error) {
    const gone = isCloudError(error) && (error.code === "not_found" || error.code === "invalid_argument");
    const busy = isCloudError(error) && error.code === "rate_limited";
    return (
      <Layout>
        <h1 className={css.aloud}>{t("objects.shared.title")}</h1>
        <EmptyState
          picture={gone ? "lost" : "storm"}
          title={gone ? t("objects.shared.gone") : busy ? t("objects.shared.busy") : t("objects.shared.failed")}
          text={gone ? t("objects.shared.goneText") : busy ? t("objects.shared.busyText") : errorText(error)}
          action={gone ? undefined : <Button onClick={() => void shared.refetch()}>{t("objects.retry")}</Button>}
        />
      </Layout>
    );
  }
  const shows = data && previewOf(data.name, data.contentType) !== undefined;
  return (
    <Layout>
      <div className={css.card} data-wide={shows || undefined}>
        <div className={css.head}>
          {data ? (
            <>
              <FileIcon entry={{ kind: "object", name: data.name, contentType: data.contentType }} size={36} />
              <div className={css.words}>
                <h1>{data.name}</h1>
                <p>
                  {[format.bytes(data.sizeBytes), t("objects.shared.by", { person: data.sharedBy })].join(" · ")}
                  <br />
                  <time dateTime={data.expiresAt} title={format.exact(data.expiresAt)}>
                    {t("objects.shared.until", { date: format.dateTime(data.expiresAt) })}
                  </time>
                </p>
              </div>
              <Button
                component="a"
                href={address("attachment")}
                download={data.name}
                size="md"
                c="var(--button-color)"
                className={css.download}
                leftSection={<IconDownload size={18} aria-hidden />}
              >
                {t("objects.shared.download")}
              </Button>
            </>
          ) : (
            <div className={css.words} aria-busy="true">
              <Skeleton height={22} width="60%" mb={10} />
              <Skeleton height={14} width="40%" mb={8} />
              <Skeleton height={14} width="50%" />
            </div>
          )}
        </div>
        {shows && (
          <div className={css.stage}>
            <PreviewContent
              name={data.name}
              contentType={data.contentType}
              sizeBytes={data.sizeBytes}
              source={address("inline")}
              download={address("attachment")}
            />
          </div>
        )}
      </div>
    </Layout>
  );
}

function Layout({ children }: { children: ReactNode }) {
  const t = useT();
  const cloud = useCloud();
  return (
    <div className={css.page}>
      <header className={css.top}>
        <Mark size={28} />
        <span className={css.brand}>{cloud?.name ?? "Khmara"}</span>
        <LanguageMenu phone />
        <ColorSchemeButton phone />
      </header>
      <main className={css.main}>{children}</main>
      <footer className={css.footer}>{t("objects.shared.made", { cloud: cloud?.name ?? "Khmara" })}</footer>
    </div>
  );
}
