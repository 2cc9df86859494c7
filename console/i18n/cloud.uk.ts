import type en from "./cloud.en.ts";
import type { Translation } from "./message.ts";

export default { title: "cloud" } satisfies Translation<typeof en>;
