import type { Translation } from "./message.ts";
import type en from "./operations.en.ts";

export default { title: "operations" } satisfies Translation<typeof en>;
