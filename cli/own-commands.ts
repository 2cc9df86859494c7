import type { Argument, Command, NamedKind } from "./commands.ts";

const argument = (field: string, more: Partial<Argument> = {}): Argument => ({
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

export const appKind: NamedKind = { prefix: "app", kind: "app", list: "appList", by: "name", search: true, within: "project" };
const app = argument("app", { required: true, place: "path", named: appKind });

const command = (
  words: Pick<Command, "key" | "resource" | "verb" | "service" | "summary" | "description" | "roles">,
  args: Argument[],
): Command => ({
  ...words,
  isPublic: false,
  isList: false,
  isOperation: false,
  destructive: false,
  arguments: args,
  positionals: args.filter(({ place }) => place === "path"),
});
const applications = "Applications";

/** Commands that are more than one route: beside those of cli/commands.json. */
export const ownCommands: Command[] = [
  command(
    {
      key: "instanceCp",
      resource: "instance",
      verb: "cp",
      service: "Virtual servers",
      summary: "Copy files and folders into an instance, or out of it",
      description:
        "NAME:/PATH is inside the instance, - the standard input or output, anything else here. A folder is copied with all that is in it, modes, times and links included.",
      roles: ["editor"],
    },
    [argument("user", { description: "Whose the files become inside the instance.", default: "root" })],
  ),
  command(
    {
      key: "appDeploy",
      resource: "app",
      verb: "deploy",
      service: applications,
      summary: "Deploy a folder, an archive or an image to an app",
      description:
        "The current folder unless another one, an archive (tar, tar.gz, tar.zst, zip) or an image of docker save is named; - is an archive from the standard input. Of a folder, .khmaraignore says what is left out, otherwise every .gitignore; .git and node_modules always are. It is built, started beside what runs, and takes over when it is healthy. `khmara app deploy .` deploys to the app of the folder's name.",
      roles: ["editor"],
    },
    [
      argument("app", { required: true, place: "path", description: "The name or id of the app." }),
      argument("project"),
      argument("image", {
        description: "A ready image instead: web:1.2 in the cloud's registry, docker.io/library/nginx:1 in another one.",
      }),
      argument("port", {
        value: { kind: "number", integer: true },
        description: "Of an image: where it listens; otherwise the port that it exposes, or 8080.",
      }),
      argument("healthPath", { flag: "health-path", description: "Of an image: a path that answers when it is healthy." }),
      argument("description", { description: "What is new, for people; otherwise the name of the folder or file." }),
    ],
  ),
  command(
    {
      key: "appLogs",
      resource: "app",
      verb: "logs",
      service: applications,
      summary: "Show what the processes of an app write",
      description: "Oldest first. Times are UTC.",
      roles: ["viewer"],
    },
    [
      app,
      argument("process", { description: "Only those of web, worker, …" }),
      argument("search", { description: "Part of a line; small and large letters are the same." }),
      argument("since", { value: { kind: "time" } }),
      argument("until", { value: { kind: "time" } }),
      argument("lines", {
        value: { kind: "number", integer: true },
        description: "The last so many; otherwise 100, or all of them with --since.",
      }),
    ],
  ),
  command(
    {
      key: "appRun",
      resource: "app",
      verb: "run",
      service: applications,
      summary: "Run a command beside an app",
      description:
        "In a new container of the live release, with its settings and disks, which ends with the command. Its exit code is passed on.",
      roles: ["editor"],
    },
    [app],
  ),
  command(
    {
      key: "appTerminal",
      resource: "app",
      verb: "terminal",
      service: applications,
      summary: "Open a shell in a container of an app",
      roles: ["editor"],
    },
    [app, argument("container", { place: "path", description: "As in `khmara container list`: web-1. Otherwise the first." })],
  ),
  command(
    {
      key: "settingSet",
      resource: "setting",
      verb: "set",
      service: applications,
      summary: "Set variables of the environment of an app",
      description: "All at once, as a new release of the same image when the app runs, whose deployment is followed.",
      roles: ["editor"],
    },
    [app],
  ),
];
