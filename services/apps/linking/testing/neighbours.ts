/** What links are to, in memory: databases with users, buckets with keys. */
import { newId } from "../../../../kernel/ids.ts";
import type { DatabaseLinks } from "../../../databases/contract.ts";
import type { IdentityService } from "../../../identity/contract.ts";
import type { ObjectsService } from "../../../objects/contract.ts";

export class LinkedThings {
  readonly database = { id: newId("database"), name: "books", host: "books" };
  readonly bucket = { id: newId("bucket"), name: "shop-media" };
  /** By name, with whose they are. */
  readonly users = new Map<string, string>();
  readonly keys = new Map<string, { secret: string; bucketId: string; readOnly: boolean }>();
  readonly holds = new Set<string>();
  refuses = false;
  readonly #project: () => string;

  constructor(project: () => string) {
    this.#project = project;
  }

  readonly databaseLinks: DatabaseLinks = {
    find: async (_, projectId, id) => (projectId === this.#project() && id === this.database.id ? this.database : undefined),
    makeUser: async ({ name, holder }) => {
      if (this.refuses) throw new Error("The database is away.");
      this.users.set(name, holder);
      return { password: `pw-of-${name}` };
    },
    reach: async () => ({ host: this.database.host, port: 5432, databaseName: "main" }),
    certificate: async () => "-----BEGIN CERTIFICATE-----\n",
    dropUser: async (_, { name }) => void this.users.delete(name),
  };

  readonly objects = {
    findBucket: async (_, projectId, id) => (projectId === this.#project() && id === this.bucket.id ? this.bucket : undefined),
    hold: async (_, _bucketId, { id }) => void this.holds.add(id),
    letGo: async (_, id) => void this.holds.delete(id),
  } as Partial<ObjectsService> as ObjectsService;

  readonly appKeys: IdentityService["appKeys"] = {
    make: async (_, { bucketId, readOnly }) => {
      const id = newId("accessKey");
      this.keys.set(id, { secret: `secret-of-${id}`, bucketId, readOnly });
      return { id, accessKeyId: `AK${id}`, secretAccessKey: `secret-of-${id}` };
    },
    remove: async (_, id) => void this.keys.delete(id),
  };
}
