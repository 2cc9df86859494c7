import type en from "./entry.en.ts";
import type { Translation } from "./message.ts";

export default { title: "entry" } satisfies Translation<typeof en>;
