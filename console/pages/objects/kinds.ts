/** What a file is to a person, from its type or, as S3 clients often give none, from its name. */
export type FileKind =
  | "picture"
  | "pdf"
  | "audio"
  | "video"
  | "text"
  | "code"
  | "document"
  | "sheet"
  | "slides"
  | "archive"
  | "file";

const words = (text: string) => new Set(text.split(" "));
const pictures = words("png jpg jpeg gif webp avif svg bmp ico");
const videos = words("mp4 m4v webm mov ogv mkv");
const audios = words("mp3 m4a aac wav ogg oga opus flac");
const texts = words("txt md markdown log csv tsv srt vtt ics vcf eml");
const codes = words(
  "json yaml yml toml ini conf cfg xml html htm css scss js mjs cjs ts tsx jsx py rb go rs c h cpp hpp java kt swift php sh bash sql r lua pl tf nix diff patch dockerfile makefile env gitignore",
);
const archives = words("zip tar gz tgz bz2 xz zst 7z rar iso dmg deb rpm");
const documents = words("doc docx odt rtf pages epub");
const sheets = words("xls xlsx ods numbers");
const slides = words("ppt pptx odp key");

export function kindOf(name: string, contentType?: string): FileKind {
  const extension = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  if (type && type !== "application/octet-stream" && type !== "binary/octet-stream") {
    // What browsers cannot draw gets no preview, whatever it calls itself.
    if (type.startsWith("image/"))
      return /^image\/(png|jpe?g|gif|webp|avif|svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)$/.test(type) ? "picture" : "file";
    if (type.startsWith("video/")) return "video";
    if (type.startsWith("audio/")) return "audio";
    if (type === "application/pdf") return "pdf";
    if (/^application\/(json|xml|javascript|x-sh|x-yaml|toml|sql)$|\+(json|xml)$/.test(type)) return "code";
    if (type.startsWith("text/")) return codes.has(extension) ? "code" : "text";
  }
  if (pictures.has(extension)) return "picture";
  if (extension === "pdf") return "pdf";
  if (videos.has(extension)) return "video";
  if (audios.has(extension)) return "audio";
  if (texts.has(extension)) return "text";
  if (codes.has(extension)) return "code";
  if (archives.has(extension)) return "archive";
  if (documents.has(extension)) return "document";
  if (sheets.has(extension)) return "sheet";
  if (slides.has(extension)) return "slides";
  return "file";
}

export type PreviewKind = "picture" | "pdf" | "audio" | "video" | "text";

export function previewOf(name: string, contentType?: string): PreviewKind | undefined {
  const kind = kindOf(name, contentType);
  if (kind === "code") return "text";
  return kind === "picture" || kind === "pdf" || kind === "audio" || kind === "video" || kind === "text" ? kind : undefined;
}
