/** RFC 6265, 4.2: the Cookie header of a request. The first of equal names counts. */
export function parseCookies(header: string | undefined): Record<string, string> {
  const cookies: Record<string, string> = Object.create(null);
  for (const pair of header?.split(";") ?? []) {
    const at = pair.indexOf("=");
    if (at < 0) continue;
    const name = pair.slice(0, at).trim();
    if (!(name in cookies)) cookies[name] = pair.slice(at + 1).trim();
  }
  return cookies;
}

/** RFC 6265, 4.1: always HttpOnly, SameSite=Lax and for the whole site. `maxAgeSeconds` 0 removes it. */
export const serializeCookie = (name: string, value: string, options: { maxAgeSeconds?: number; secure: boolean }): string =>
  [
    `${name}=${value}`,
    "Path=/",
    "HttpOnly",
    "SameSite=Lax",
    ...(options.maxAgeSeconds === undefined ? [] : [`Max-Age=${options.maxAgeSeconds}`]),
    ...(options.secure ? ["Secure"] : []),
  ].join("; ");
