import type en from "./audit.en.ts";
import type { Translation } from "./message.ts";

export default { title: "audit" } satisfies Translation<typeof en>;
