import type { LinkingPart } from "../../parts.ts";

/** An app without links, for tests of other parts. */
export const noLinks: LinkingPart = {
  bring: async () => [],
  check: async () => {},
  gone: async () => [],
  files: async () => [],
  appDeleted: async () => {},
};
