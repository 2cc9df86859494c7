import type { Translation } from "./message.ts";
import type en from "./projects.en.ts";

export default { title: "projects" } satisfies Translation<typeof en>;
