import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { databaseHost, socketUrl } from "../kernel/config.ts";
import { postgres } from "../kernel/db/postgres-client.ts";
import { dataPaths } from "../server/data-folder.ts";
import { databaseName, databasePort, databaseRole } from "../server/postgres-settings.ts";
import { baseImageRecipe, recipeDigest } from "../services/apps/baseImages/build.ts";
import { appFolder, appUser, type Runtime } from "../services/apps/baseImages/recipes.ts";
import type { AppEngine } from "../services/apps/driver.ts";
import { DockerClient } from "../services/apps/drivers/docker/client.ts";
import { openDockerEngine } from "../services/apps/drivers/docker/index.ts";
import { ensureImage } from "../services/databases/drivers/postgres/image.ts";
import { testBaseImage } from "../testing/baseImages.ts";
import { removeCloud } from "../testing/docker.ts";
import type { TestCloud } from "./cloud.ts";

/** The database of a cloud that runs, as its owner on the machine sees it. */
async function inDatabase<T>(cloud: TestCloud, work: (sql: ReturnType<typeof postgres>) => Promise<T>): Promise<T> {
  const { postgresql, databasePassword } = dataPaths(cloud.dataDirectory);
  const folder = String(readFileSync(join(postgresql, "postmaster.pid"), "utf8").split("\n")[4]).trim();
  const password = readFileSync(databasePassword, "utf8").trim();
  const url = socketUrl({ folder, port: databasePort, user: databaseRole, password, database: databaseName });
  const sql = postgres(url, { ...databaseHost(url), max: 1 });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** The tables that have a text in them, anywhere: what a dump would show. */
export const tablesWith = (cloud: TestCloud, text: string): Promise<string[]> =>
  inDatabase(cloud, async (sql) => {
    const found: string[] = [];
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`;
    for (const { name } of tables) {
      const [row] = await sql.unsafe(`select count(*)::int as rows from ${name} t where position($1 in t::text) > 0`, [text]);
      if (row?.["rows"] > 0) found.push(name);
    }
    return found;
  });

/** What a cloud has in the engine of the tests. */
export class EngineOf {
  readonly #cloudId: string;
  readonly #client: DockerClient;
  readonly #socket: string;

  static async open(cloud: TestCloud): Promise<EngineOf> {
    const cloudId = await inDatabase(cloud, async (sql) => {
      const [row] = await sql<
        { value: string }[]
      >`select value #>> '{}' as value from kernel.settings where name = 'kernel.cloud_id'`;
      return String(row?.value);
    });
    return new EngineOf(String(cloud.apps?.docker.socket), cloudId);
  }

  private constructor(socket: string, cloudId: string) {
    this.#socket = socket;
    this.#cloudId = cloudId;
    this.#client = new DockerClient({ endpoint: socket });
  }

  /** The very engine that the cloud uses; `close()` it. */
  driver(): AppEngine {
    return openDockerEngine({ address: { endpoint: this.#socket }, cloudId: this.#cloudId });
  }

  /** Gives the cloud a base image that the tests have made already: making it takes minutes. */
  async giveBase(runtime: Runtime, version: string): Promise<void> {
    const recipe = baseImageRecipe(runtime, version);
    const digest = recipeDigest(recipe);
    const engine = this.driver();
    await engine.imageImport(
      {
        name: `base/${runtime}:${version}-${digest.slice(0, 8)}-e2e`,
        labels: { base: `${runtime}-${version}`, recipe: digest },
        defaults: { environment: recipe.environment, workingDirectory: appFolder, user: `${appUser.uid}:${appUser.gid}` },
      },
      createReadStream(await testBaseImage(runtime, version)),
    );
    engine.close();
  }

  /** And what databases of this version run from. */
  async givePostgres(version: string): Promise<void> {
    const engine = this.driver();
    const cache = process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara");
    await ensureImage(engine, join(cache, "databases"), version);
    engine.close();
  }

  /**
   * Containers, volumes and networks, and images of apps. What builds share stays: bases, the steps that the next build takes (a week),
   * and the network in which they run.
   */
  async leftovers(): Promise<string[]> {
    const query = { all: true, filters: JSON.stringify({ label: [`khmara.cloud=${this.#cloudId}`] }) };
    const containers = await this.#client.get<{ Names: string[] }[]>("/containers/json", { query });
    const networks = await this.#client.get<{ Name: string }[]>("/networks", { query });
    const { Volumes: volumes } = await this.#client.get<{ Volumes: { Name: string }[] | null }>("/volumes", { query });
    const images = await this.#client.get<{ Id: string; RepoTags: string[] | null; Labels: Record<string, string> }[]>(
      "/images/json",
      {
        query,
      },
    );
    return [
      ...containers.map(({ Names }) => `container ${Names[0]}`),
      ...networks.filter(({ Name }) => !/-build(-|$)/.test(Name)).map(({ Name }) => `network ${Name}`),
      ...(volumes ?? []).map(({ Name }) => `volume ${Name}`),
      ...images
        .filter(({ Labels }) => JSON.parse(Labels["khmara.labels"] ?? "{}").app !== undefined)
        .map(({ Id, RepoTags }) => `image ${RepoTags?.join() ?? Id}`),
    ];
  }

  /** All that the engine tells of an image and of how it was made. */
  async imageText(image: string): Promise<string> {
    const report = await this.#client.get<unknown>(`/images/${image}/json`);
    return JSON.stringify([report, await this.#client.get<unknown>(`/images/${image}/history`)]);
  }

  /** As `docker save` does. */
  async saveImage(image: string, file: string): Promise<void> {
    const driver = this.driver();
    await pipeline(await driver.imageSave(image), createWriteStream(file));
    driver.close();
  }

  async remove(): Promise<void> {
    this.#client.close();
    await removeCloud(this.#socket, this.#cloudId);
  }
}
