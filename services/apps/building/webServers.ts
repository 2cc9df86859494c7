/** Settings of the web servers of our base images, which include them from `/etc/khmara`. */
import { appFolder } from "../baseImages/recipes.ts";
import { cannotBuild } from "./plan.ts";

export interface StaticSite {
  /** Relative to the app's folder; "" is all of it. */
  folder: string;
  /** The file that answers for paths without a file: applications that route in the browser. */
  fallback?: string;
  /** The page of a 404. */
  notFound?: string;
}

/** Words that nginx and Apache read as they are, within quotes. */
function word(path: string): string {
  if (/["\\$\s{};#%]|[\p{Cc}]/u.test(path))
    throw cannotBuild(path, "a folder that is served may not have spaces, quotes, $ or the like in its name. Rename it.");
  return path;
}

const below = (folder: string, path = ""): string => [appFolder, folder, path].filter((part) => part !== "").join("/");

/**
 * For nginx. Files whose name has a digest never change, so they are kept for a year; all else is asked for anew each time, which costs an
 * answer without a body (RFC 9111, 4.3).
 */
export function staticSite({ folder, fallback, notFound }: StaticSite, port: number): string {
  const otherwise = fallback === undefined ? "=404" : `/${word(fallback)}`;
  return `map $uri $cache_control {
  "~[.-](?=[^./]*[0-9])(?=[^./]*[A-Za-z])[0-9A-Za-z_-]{8,}\\.(?:js|mjs|css|woff2?|wasm|map)$" "public, max-age=31536000, immutable";
  "~^/(?:assets|static|_astro|_nuxt|_next/static)/.*[.-][0-9A-Za-z_-]{8,}\\.[a-z0-9]+$" "public, max-age=31536000, immutable";
  default "no-cache";
}
server {
  listen ${port};
  listen [::]:${port};
  root "${word(below(folder))}";
  index index.html index.htm;
  port_in_redirect off;
  add_header Cache-Control $cache_control always;
  add_header X-Content-Type-Options nosniff always;
  location ~ /\\.(?!well-known/) { return 404; }
  location / { try_files $uri $uri/ $uri.html ${otherwise}; }
${notFound === undefined ? "" : `  error_page 404 "/${word(notFound)}";\n`}}
`;
}

export const staticCommand = "nginx -e stderr -c /etc/nginx/khmara.conf";
export const staticConfigurationFile = "/etc/khmara/site.conf";

/** For Apache with PHP; `.htaccess` of the app is respected, as its frameworks bring one. */
export function phpSite(folder: string, frontController: boolean, port: number): string {
  const root = word(below(folder));
  return `Listen ${port}
DocumentRoot "${root}"
DirectoryIndex index.php index.html
<Directory "${root}">
  Require all granted
  AllowOverride All
${frontController ? "  FallbackResource /index.php\n" : ""}</Directory>
<FilesMatch "^(composer\\.(json|lock)|khmara\\.json|Procfile|Dockerfile|package(-lock)?\\.json)$">
  Require all denied
</FilesMatch>
<DirectoryMatch "^${appFolder}/(vendor|storage)(/|$)">
  Require all denied
</DirectoryMatch>
`;
}

export const phpCommand = "apache2 -D FOREGROUND -f /etc/apache2/khmara.conf";
export const phpConfigurationFile = "/etc/khmara/apache.conf";
