import type { Argument, Command } from "./commands.ts";

const text = (field: string, more: Partial<Argument> = {}): Argument => ({
  field,
  flag: field,
  aliases: [],
  value: { kind: "text" },
  list: false,
  nullable: false,
  required: false,
  secret: false,
  place: "query",
  ...more,
});

/** Commands that stand for several routes at once; beside those of cli/commands.json. */
export const ownCommands: Command[] = [
  {
    key: "instanceCp",
    resource: "instance",
    verb: "cp",
    service: "Virtual servers",
    summary: "Copy files and folders into an instance, or out of it",
    description:
      "NAME:/PATH is inside the instance, - the standard input or output, anything else here. A folder is copied with all that is in it, modes, times and links included.",
    isPublic: false,
    roles: ["editor"],
    isList: false,
    isOperation: false,
    destructive: false,
    arguments: [text("user", { description: "Whose the files become inside the instance.", default: "root" })],
    positionals: [],
  },
];
