import type en from "./account.en.ts";
import type { Translation } from "./message.ts";

export default { title: "account" } satisfies Translation<typeof en>;
