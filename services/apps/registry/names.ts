/** Names of images that say that they lie in the cloud's own registry: `cloud.example.org/shop/web:1`. */

/** What comes after the registry's own address; undefined when another registry is meant, or none. `host`: as `docker login` takes it. */
export function inOwnRegistry(host: string | undefined, image: string): string | undefined {
  if (host === undefined) return undefined;
  const slash = image.indexOf("/");
  return slash > 0 && namesOf(host).has(image.slice(0, slash).toLowerCase()) ? image.slice(slash + 1) : undefined;
}

/** On one machine people say the one or the other; the port that a scheme has is left away by some clients and not by others. */
function namesOf(host: string): Set<string> {
  const [, name = host, port] = /^(.+?)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
  const names = name === "127.0.0.1" || name === "localhost" ? ["127.0.0.1", "localhost"] : [name];
  return new Set(names.flatMap((each) => (port === undefined ? [each, `${each}:443`] : [`${each}:${port}`])));
}
