import { readFile } from "node:fs/promises";
import type { AppEngineConfig } from "../../../kernel/config.ts";
import type { AppEngine } from "../driver.ts";

/** The real engine, or why there is none. Nothing is asked of it: one that does not answer now may do so later. */
export async function openAppEngine(
  config: AppEngineConfig,
  cloudId: string,
): Promise<{ driver: AppEngine } | { missing: string }> {
  if ("missing" in config) return { missing: config.hint };
  const { endpoint, tls } = config;
  if (tls === undefined) {
    const { openSwarmEngine } = await import("./swarm/index.ts");
    const { openFirewall } = await import("./docker/firewall.ts");
    // One machine, until others join it.
    return { driver: openSwarmEngine({ address: { endpoint }, cloudId, firewall: openFirewall() }) };
  }
  const { openDockerEngine } = await import("./docker/index.ts");
  const { certificateFile, keyFile, authorityFile } = tls;
  if (authorityFile === undefined)
    return { missing: `The authority's certificate (ca.pem) for Docker at ${endpoint} is missing.` };
  try {
    const [certificate, key, authority] = await Promise.all(
      [certificateFile, keyFile, authorityFile].map((file) => readFile(file, "utf8")),
    );
    return {
      driver: openDockerEngine({
        address: { endpoint, tls: { certificate: certificate ?? "", key: key ?? "", authority: authority ?? "" } },
        cloudId,
      }),
    };
  } catch (error) {
    const { path = "A file", code = "" } = error as NodeJS.ErrnoException;
    return { missing: `${path} for Docker at ${endpoint} cannot be read (${code}). Put it there, then start again.` };
  }
}
