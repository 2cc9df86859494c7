import type { Translation } from "./message.ts";
import type en from "./overview.en.ts";

export default { title: "overview" } satisfies Translation<typeof en>;
