import { CloudError } from "../../../kernel/errors.ts";
import { client } from "../../api/api.ts";
import { type Part, type Sending, type UploadDoor, UploadQueue } from "./upload.ts";

/** No bytes moved for this long: the connection is taken for dead. */
const stalledMs = 60_000;

/** Gives up a transfer that moves no more, which a browser notices late or never. */
async function watched<T>(sizeBytes: number, sending: Sending, act: (sending: Sending) => Promise<T>): Promise<T> {
  const watchdog = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  const onProgress = (sentBytes: number) => {
    clearTimeout(timer);
    // With all bytes sent the server may take its time to store them.
    if (sentBytes < sizeBytes)
      timer = setTimeout(() => watchdog.abort(new CloudError("unavailable", "The upload stalled.")), stalledMs);
    sending.onProgress(sentBytes);
  };
  onProgress(0);
  try {
    return await act({ signal: AbortSignal.any([sending.signal, watchdog.signal]), onProgress });
  } finally {
    clearTimeout(timer!);
  }
}

const door: UploadDoor = {
  async exists(bucket, key) {
    try {
      await client.objectGet({ bucket, key });
      return true;
    } catch (error) {
      if (CloudError.is(error, "not_found")) return false;
      throw error;
    }
  },
  create: (bucket, key, file) =>
    client.uploadCreate({ bucket, key, sizeBytes: file.size, ...(file.type ? { contentType: file.type } : {}) }),
  async parts(bucket, upload) {
    const parts: Part[] = [];
    for await (const part of client.all("uploadPartList", { bucket, upload, limit: 1000 })) parts.push(part);
    return parts;
  },
  async complete(bucket, upload, parts) {
    await client.uploadComplete({ bucket, upload, parts });
  },
  async remove(bucket, upload) {
    await client.uploadDelete({ bucket, upload });
  },
  putObject: (bucket, key, file, overwrite, sending) =>
    watched(file.size, sending, async (options) => {
      const headers = overwrite ? {} : { headers: { "if-none-match": "*" } };
      await client.objectUpload({ bucket, key }, { rawBody: file, ...options, ...headers });
    }),
  putPart: (bucket, upload, part, bytes, sending) =>
    watched(bytes.size, sending, (options) => client.uploadPartPut({ bucket, upload, part }, { rawBody: bytes, ...options })),
};

function storage(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

/** The uploads of this tab; they go on while the person looks at other pages. */
export const uploads = new UploadQueue(door, storage());

window.addEventListener("beforeunload", (event) => {
  const { counts } = uploads.snapshot();
  if (counts.sending + counts.waiting + counts.retrying + counts.conflict > 0) event.preventDefault();
});
