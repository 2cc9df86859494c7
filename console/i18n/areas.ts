import type access from "./access.en.ts";
import type account from "./account.en.ts";
import type audit from "./audit.en.ts";
import type cloud from "./cloud.en.ts";
import type compute from "./compute.en.ts";
import type disks from "./disks.en.ts";
import type engine from "./engine.en.ts";
import type entry from "./entry.en.ts";
import type errors from "./errors.en.ts";
import type frame from "./frame.en.ts";
import type images from "./images.en.ts";
import type jobs from "./jobs.en.ts";
import type networks from "./networks.en.ts";
import type objects from "./objects.en.ts";
import type operations from "./operations.en.ts";
import type overview from "./overview.en.ts";
import type people from "./people.en.ts";
import type projects from "./projects.en.ts";
import type settings from "./settings.en.ts";
import type ui from "./ui.en.ts";
import type usage from "./usage.en.ts";
import type watch from "./watch.en.ts";

/** Every area of the console's words; a page names those it needs and only they are loaded. */
export interface Areas {
  access: typeof access;
  account: typeof account;
  audit: typeof audit;
  cloud: typeof cloud;
  compute: typeof compute;
  entry: typeof entry;
  errors: typeof errors;
  frame: typeof frame;
  objects: typeof objects;
  operations: typeof operations;
  overview: typeof overview;
  people: typeof people;
  projects: typeof projects;
  settings: typeof settings;
  ui: typeof ui;
  usage: typeof usage;
  disks: typeof disks;
  networks: typeof networks;
  images: typeof images;
  watch: typeof watch;
  jobs: typeof jobs;
  engine: typeof engine;
}
