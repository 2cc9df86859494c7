/** Text in headers as "encoded words" (RFC 2047): how S3 takes and gives metadata that is not ASCII (S3 User Guide, "Working with object metadata"). */

/** An encoded word has at most 75 characters (RFC 2047, 2), 12 of which are around its text. */
const charactersInWord = 63;

/** What stands for itself in a word of the kind Q, as S3 has it; all else is written in hex, and a space as "_". */
const plain = /[\t!-<>@-^`-~]/;

const encodings = {
  Q: (text: string): string =>
    [...Buffer.from(text).toString("latin1")]
      .map((byte) =>
        byte === " " ? "_" : plain.test(byte) ? byte : `=${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
      )
      .join(""),
  B: (text: string): string => Buffer.from(text).toString("base64"),
};

/** What no header can carry as it is, or would be taken for an encoded word. */
const mustEncode = (text: string): boolean => /[^\t\x20-\x7e]|=\?/.test(text);

export function encodeWords(text: string): string {
  if (!mustEncode(text)) return text;
  // What cannot be printed goes in base64.
  const encoding = /[\p{C}\ufffd]/u.test(text) ? "B" : "Q";
  const encode = encodings[encoding];
  const words: string[] = [];
  let word = "";
  const end = (): void => void words.push(`=?UTF-8?${encoding}?${encode(word)}?=`);
  // No character is cut in two (RFC 2047, 5).
  for (const character of text) {
    if (encode(word + character).length > charactersInWord) {
      end();
      word = "";
    }
    word += character;
  }
  end();
  return words.join(" ");
}

const encodedWord = /=\?([\w-]{1,40})(?:\*[\w-]+)?\?([bq])\?([^\s?]*)\?=/gi;

/** A header's value, one character for a byte, as the text that was meant. Bytes that stand there bare are UTF-8, or else Latin-1. */
export function decodeWords(value: string): string {
  const bare = /[\u0080-\u00ff]/.test(value) ? (asText(Buffer.from(value, "latin1"), "utf-8") ?? value) : value;
  if (!bare.includes("=?")) return bare;
  // The space between two encoded words is none of the text (RFC 2047, 6.2).
  return bare
    .replace(/(\?=)[ \t]+(?==\?[\w-]{1,40}(?:\*[\w-]+)?\?[bq]\?)/gi, "$1")
    .replace(encodedWord, (word, charset: string, encoding: string, content: string) => {
      const isBase64 = encoding.toLowerCase() === "b";
      // What is no base64, or in no charset that is known here, stays as it is.
      if (isBase64 && !/^[a-z0-9+/]*={0,2}$/i.test(content)) return word;
      const bytes = isBase64 ? Buffer.from(content, "base64") : quotedBytes(content);
      return asText(bytes, charset) ?? word;
    });
}

const quotedBytes = (content: string): Buffer =>
  Buffer.from(
    content.replaceAll("_", " ").replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  );

function asText(bytes: Uint8Array, charset: string): string | undefined {
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
