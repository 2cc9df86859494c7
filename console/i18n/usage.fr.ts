import type { Translation } from "./message.ts";
import type en from "./usage.en.ts";

export default { title: "usage" } satisfies Translation<typeof en>;
