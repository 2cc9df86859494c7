import type { ExtraFlag } from "./arguments.ts";

/** What a command has beyond its route, because files or a terminal are at the other end. */
export interface Extras {
  flags: ExtraFlag[];
  /** The words after the arguments, as the usage shows them. */
  rest?: string;
  examples?: string[];
  /** Arguments of the route that this command works out itself. */
  optional?: string[];
  /** The organisation of the profile is meant where none is given, unless the flag `--cloud` says otherwise. */
  ownContext?: boolean;
  /** The same of the profile's project, where the route can do without: unless `--cloud` or `--scope cloud` is given. */
  ownProject?: boolean;
}

const extras: Record<string, Extras> = {
  appDeploy: {
    flags: [
      { flag: "create", value: false, summary: "make the app when it is not there; otherwise it is asked" },
      { flag: "detach", value: false, summary: "do not wait for the deployment that was begun" },
    ],
    rest: "[FOLDER | ARCHIVE | IMAGE.tar]",
    examples: [
      "khmara app deploy shop",
      "khmara app deploy shop ./site --create",
      "git archive HEAD | khmara app deploy shop -",
      "docker save shop:1.2 -o shop.tar && khmara app deploy shop shop.tar --port 3000",
      "khmara app deploy shop --image docker.io/library/nginx:1",
    ],
  },
  appLogs: {
    flags: [{ flag: "follow", short: "f", value: false, summary: "go on with what comes, until Ctrl-C" }],
    examples: ["khmara app logs shop -f", "khmara app logs shop --process worker --since 1h --search error"],
  },
  appRun: {
    flags: [],
    rest: "-- COMMAND…",
    examples: [
      "khmara app run shop -- node migrate.js",
      "khmara app run shop -- sh",
      "cat orders.csv | khmara app run shop -- node import.js",
    ],
  },
  appTerminal: { flags: [], examples: ["khmara app terminal shop", "khmara app terminal shop worker-1"] },
  appRollback: { flags: [], examples: ["khmara release list shop", "khmara app rollback shop --release 3"] },
  processScale: {
    flags: [],
    examples: ["khmara process scale shop web --count 3", "khmara process scale shop worker --memory-bytes 1GiB --cpus 0.5"],
  },
  deploymentLog: {
    flags: [{ flag: "follow", short: "f", value: false, summary: "until the deployment is over" }],
    examples: ["khmara deployment log dpl_0192f0c1d2e37a4b8c5d6e7f80912a3b -f"],
  },
  settingSet: {
    flags: [
      { flag: "secret", value: false, summary: "keep the values sealed: they are never shown again" },
      { flag: "file", value: true, summary: "a file of such lines (.env); - is the standard input" },
      { flag: "no-deploy", value: false, summary: "leave them to the next deployment" },
      { flag: "detach", value: false, summary: "do not wait for the deployment that brings them" },
    ],
    rest: "KEY=VALUE…",
    examples: [
      "khmara setting set shop LOG_LEVEL=info THEME=dark",
      "khmara setting set shop --secret API_TOKEN",
      "khmara setting set shop --secret --file .env",
    ],
  },
  auditEntryList: {
    flags: [{ flag: "cloud", value: false, summary: "what belongs to no organisation, such as sign-ins (admins of the cloud)" }],
    examples: ["khmara audit-entry list --action objects.bucket --from 7d", "khmara audit-entry list --cloud"],
    ownContext: true,
  },
  instanceTerminal: {
    flags: [],
    examples: ["khmara instance terminal web", 'khmara instance terminal web --user postgres --command "psql shop"'],
    optional: ["columns", "rows"],
  },
  instanceConsole: { flags: [], examples: ["khmara instance console web"] },
  instanceExec: {
    flags: [],
    rest: "-- COMMAND…",
    examples: [
      "khmara instance exec web -- systemctl status nginx",
      "khmara instance exec web --user postgres -- pg_dump shop > shop.sql",
      "cat shop.sql | khmara instance exec web --user postgres -- psql shop",
    ],
    optional: ["command"],
  },
  instanceTunnel: {
    flags: [
      {
        flag: "listen",
        value: true,
        summary: "a port here (or ADDRESS:PORT) that leads there; otherwise the standard input and output do",
      },
    ],
    examples: [
      "khmara instance tunnel web --port 5432 --listen 5432",
      "ssh -o ProxyCommand='khmara instance tunnel web' root@web",
    ],
  },
  instanceCp: {
    flags: [],
    rest: "FROM... TO",
    examples: [
      "khmara instance cp site/ web:/srv/",
      "khmara instance cp index.html style.css web:/srv/site/ --user www-data",
      "khmara instance cp web:/var/log/nginx ./logs",
      "khmara instance cp web:/etc/hostname -",
    ],
  },
  operationList: {
    flags: [
      {
        flag: "cloud",
        value: false,
        summary: "what belongs to no organisation, such as the evacuation of a host (admins of the cloud)",
      },
    ],
    examples: ["khmara operation list --active", "khmara operation list --cloud"],
    ownContext: true,
  },
  imageList: {
    flags: [{ flag: "cloud", value: false, summary: "those of the whole cloud (its admins)" }],
    examples: ["khmara image list", "khmara image list --search debian --json", "khmara image list --cloud"],
    ownProject: true,
  },
  imageBuild: {
    flags: [],
    examples: ["khmara image build debian-12", "khmara image build ubuntu-24.04 --scope cloud"],
    ownProject: true,
  },
  imageFetch: {
    flags: [],
    examples: ["khmara image fetch alpine/3.22", "khmara image fetch debian/12 --kind vm --name debian-12-vm"],
    ownProject: true,
  },
  imageUpload: {
    flags: [],
    rest: "FILE",
    examples: [
      "khmara image upload debian.tar.gz --name debian-own --default-user debian",
      "docker export web | khmara image upload - --name web",
    ],
    optional: ["name"],
    ownProject: true,
  },
  imageDownload: {
    flags: [
      { flag: "output", value: true, summary: "the file to write (also -o); - is the standard output" },
      { flag: "force", value: false, summary: "overwrite a file that exists" },
    ],
    examples: ["khmara image download debian-own", "khmara image download debian-own --output ./debian.image"],
  },
  objectUpload: {
    rest: "FILE...",
    flags: [
      { flag: "prefix", value: true, summary: "the folder to put them into: `holiday/`" },
      { flag: "recursive", value: false, summary: "folders with everything in them" },
      { flag: "content-type", value: true, summary: "otherwise by the ending of the name" },
      { flag: "keep", value: false, summary: "leave what is already there" },
    ],
    examples: [
      "khmara object upload photos beach.jpg",
      "khmara object upload photos ./holiday --recursive --prefix 2026/",
      "pg_dump shop | khmara object upload backups - --key shop.sql",
    ],
    optional: ["key"],
  },
  objectDownload: {
    flags: [
      { flag: "output", value: true, summary: "the file or folder to write (also -o); - is the standard output" },
      { flag: "recursive", value: false, summary: "KEY is a folder: everything below it" },
      { flag: "force", value: false, summary: "overwrite files that exist" },
    ],
    examples: [
      "khmara object download photos holiday/beach.jpg",
      "khmara object download photos holiday/ --recursive --output ./pictures",
      "khmara object download backups shop.sql --output - | psql shop",
    ],
  },
};

const none: Extras = { flags: [] };
export const extrasOf = (key: string): Extras => extras[key] ?? none;
