import type { Translation } from "./message.ts";
import type en from "./objects.en.ts";

export default { title: "objects" } satisfies Translation<typeof en>;
