import type { Translation } from "./message.ts";
import type en from "./people.en.ts";

export default { title: "people" } satisfies Translation<typeof en>;
