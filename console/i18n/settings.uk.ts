import type { Translation } from "./message.ts";
import type en from "./settings.en.ts";

export default { title: "settings" } satisfies Translation<typeof en>;
