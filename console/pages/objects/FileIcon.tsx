import {
  type Icon,
  IconFile,
  IconFileSpreadsheet,
  IconFileText,
  IconFileTypePdf,
  IconFileWord,
  IconFileZip,
  IconFolderFilled,
  IconMovie,
  IconMusic,
  IconPhoto,
  IconPresentation,
  IconSourceCode,
} from "@tabler/icons-react";
import css from "./browser.module.css";
import { type FileKind, kindOf } from "./kinds.ts";

const icons: Record<FileKind, Icon> = {
  picture: IconPhoto,
  pdf: IconFileTypePdf,
  audio: IconMusic,
  video: IconMovie,
  text: IconFileText,
  code: IconSourceCode,
  document: IconFileWord,
  sheet: IconFileSpreadsheet,
  slides: IconPresentation,
  archive: IconFileZip,
  file: IconFile,
};

interface Props {
  entry: { kind: "folder" | "object"; name: string; contentType?: string | undefined };
  size?: number;
}

/** Beside a name that says the same, so hidden from screen readers. */
export function FileIcon({ entry, size = 20 }: Props) {
  if (entry.kind === "folder") return <IconFolderFilled size={size} className={css.iconFolder} aria-hidden />;
  const kind = kindOf(entry.name, entry.contentType);
  const Shape = icons[kind];
  return <Shape size={size} stroke={1.5} className={css[`icon_${kind}`] ?? css.iconFile} aria-hidden />;
}
