import { Button, Loader, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { errorText } from "../../api/errors.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { FileIcon } from "./FileIcon.tsx";
import { previewOf } from "./kinds.ts";
import css from "./preview.module.css";

/** So much of a text is read; more would only freeze the page. */
const textBytes = 2 ** 20;

interface Props {
  name: string;
  contentType: string | undefined;
  sizeBytes: number;
  /** Where the bytes are shown from, and where they are saved from. */
  source: string;
  download: string;
  error?: unknown;
}

/** What a browser can show of a file, for the object browser and the public share page alike. */
export function PreviewContent(props: Props) {
  const t = useT();
  const [broken, setBroken] = useState(false);
  const kind = previewOf(props.name, props.contentType);
  if (props.error) return <Nothing {...props} text={errorText(props.error)} />;
  if (broken) return <Nothing {...props} text={t("objects.preview.broken")} />;
  const failed = () => setBroken(true);
  switch (kind) {
    case "picture":
      return <img className={css.picture} src={props.source} alt={props.name} onError={failed} />;
    case "video":
      return (
        // biome-ignore lint/a11y/useMediaCaption: nobody but the owner has captions for what is stored here
        <video className={css.video} src={props.source} controls preload="metadata" onError={failed} />
      );
    case "audio":
      return (
        <div className={css.nothing}>
          <FileIcon entry={{ kind: "object", name: props.name, contentType: props.contentType }} size={64} />
          {/* biome-ignore lint/a11y/useMediaCaption: as above */}
          <audio className={css.audio} src={props.source} controls preload="metadata" aria-label={props.name} onError={failed} />
        </div>
      );
    case "pdf":
      return (
        <object className={css.document} data={props.source} type="application/pdf" aria-label={props.name}>
          <Nothing {...props} text={t("objects.preview.pdf")} />
        </object>
      );
    case "text":
      return <TextContent {...props} />;
    default:
      return <Nothing {...props} text={t("objects.preview.none")} />;
  }
}

function TextContent(props: Props) {
  const t = useT();
  const format = useFormat();
  const text = useQuery({
    queryKey: ["objectText", props.source, props.sizeBytes],
    queryFn: async ({ signal }) => {
      const response = await fetch(props.source, {
        signal,
        credentials: "same-origin",
        ...(props.sizeBytes > textBytes ? { headers: { range: `bytes=0-${textBytes - 1}` } } : {}),
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      // Forgiving: half a character at the cut end, or another encoding, is better shown with a gap than not at all.
      return new TextDecoder().decode((await response.arrayBuffer()).slice(0, textBytes));
    },
    staleTime: 60_000,
  });
  if (text.error) return <Nothing {...props} text={t("objects.preview.broken")} />;
  if (text.data === undefined) return <Loader aria-label={t("objects.loading")} />;
  return (
    <div className={css.text}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long text scrolls, and must do so by keyboard */}
      <pre tabIndex={0}>{text.data}</pre>
      {props.sizeBytes > textBytes && (
        <p>{t("objects.preview.cut", { shown: format.bytes(textBytes), all: format.bytes(props.sizeBytes) })}</p>
      )}
    </div>
  );
}

function Nothing({ name, contentType, sizeBytes, download, text }: Props & { text: string }) {
  const t = useT();
  const format = useFormat();
  return (
    <div className={css.nothing}>
      <FileIcon entry={{ kind: "object", name, contentType }} size={64} />
      <Text fw={600}>{name}</Text>
      <Text c="dimmed">{text}</Text>
      <Button
        component="a"
        href={download}
        download={name}
        c="var(--button-color)"
        leftSection={<IconDownload size={16} aria-hidden />}
      >
        {t("objects.preview.download", { size: format.bytes(sizeBytes) })}
      </Button>
    </div>
  );
}
