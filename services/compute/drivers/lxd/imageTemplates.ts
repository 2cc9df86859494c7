import type { ImageRecipe } from "./imageRecipes.ts";

/**
 * What the engine writes into an instance when it makes it: its name, and the seeds of cloud-init. LXD also offers these seeds through
 * /dev/lxd/sock, and then cloud-init asks there; Incus does not, and neither does an engine with `security.devlxd=false`.
 */
const seed = (name: "user" | "vendor") =>
  `{% if config_get("cloud-init.${name}-data", "") == "" %}{{ config_get("user.${name}-data", properties.default) }}{% else %}{{ config_get("cloud-init.${name}-data", "") }}{% endif %}\n`;

/** The person's name for it, from the first moment on; made by hand in the engine it has the engine's. */
const hostName = '{{ config_get("user.host-name", container.name) }}';

export const templates: Record<string, string> = {
  "hostname.tpl": `${hostName}\n`,
  "hosts.tpl": `127.0.0.1\tlocalhost\n127.0.1.1\t${hostName}\n\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n`,
  "cloud-init-meta.tpl": `instance-id: {{ container.name }}\nlocal-hostname: ${hostName}\n{{ config_get("user.meta-data", "") }}\n`,
  "cloud-init-user.tpl": seed("user"),
  "cloud-init-vendor.tpl": seed("vendor"),
  "cloud-init-network.tpl": `{% if config_get("cloud-init.network-config", "") != "" %}{{ config_get("cloud-init.network-config", "") }}{% elif config_get("user.network-config", "") != "" %}{{ config_get("user.network-config", "") }}{% else %}version: 1
config:
  - type: physical
    name: eth0
    subnets:
      - type: dhcp
{% endif %}
`,
};

const seeds: Record<string, string> = {
  "meta-data": "cloud-init-meta.tpl",
  "network-config": "cloud-init-network.tpl",
  "user-data": "cloud-init-user.tpl",
  "vendor-data": "cloud-init-vendor.tpl",
};

/** `metadata.yaml`, written as JSON: that is YAML too. */
export function imageMetadata(recipe: ImageRecipe, architecture: string, made: Date): string {
  const serial = made.toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "_");
  const place = (template: string, when: string[]) => ({ when, template, properties: { default: "#cloud-config\n{}" } });
  return `${JSON.stringify(
    {
      architecture,
      creation_date: Math.floor(made.getTime() / 1000),
      properties: {
        architecture,
        description: `${recipe.title} (${serial})`,
        name: `${recipe.id}-${architecture}`,
        os: recipe.distribution,
        release: recipe.release,
        serial,
      },
      templates: {
        "/etc/hostname": place("hostname.tpl", ["create", "copy"]),
        "/etc/hosts": place("hosts.tpl", ["create", "copy"]),
        // At each start too: what was changed at the instance counts at its next boot, as it does through /dev/lxd/sock.
        ...Object.fromEntries(
          Object.entries(seeds).map(([file, template]) => [
            `/var/lib/cloud/seed/nocloud-net/${file}`,
            place(template, ["create", "copy", "start"]),
          ]),
        ),
      },
    },
    undefined,
    2,
  )}\n`;
}
