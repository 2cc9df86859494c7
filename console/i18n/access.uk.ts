import type en from "./access.en.ts";
import type { Translation } from "./message.ts";

export default { title: "access" } satisfies Translation<typeof en>;
