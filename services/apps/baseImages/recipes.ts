/**
 * What apps are built on: small root file systems from Debian's own packages, made on this host, so that no registry of images is needed.
 * Each is data; `build.ts` makes any of them.
 */

export const runtimes = ["base", "node", "python", "go", "php", "static"] as const;
export type Runtime = (typeof runtimes)[number];

export interface BaseImageRecipe {
  runtime: Runtime;
  /** Of the language, as people write it: 24, 3.13. */
  version: string;
  title: string;
  /** Of Debian. */
  release: "bookworm" | "trixie";
  packages: readonly string[];
  /** From the npm registry, by name and wanted version: Debian's Node is years old, and has neither pnpm nor a new npm. */
  npm?: Readonly<Record<string, string>>;
  environment: Readonly<Record<string, string>>;
  /** Path from the root, and text. */
  files?: Readonly<Record<string, string>>;
  /** Run in the finished tree: what must not fail. */
  script?: string;
}

/** All apps run as this one, whose number is on no host. */
export const appUser = { name: "app", uid: 10_001, gid: 10_001 } as const;
/** Where an app's code lies. */
export const appFolder = "/app";
/** Where package managers keep what they downloaded. */
export const cacheFolder = "/cache";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const common = { PATH: path, LANG: "C.UTF-8", HOME: appFolder };

const node = (version: string, npm: string): BaseImageRecipe => ({
  runtime: "node",
  version,
  title: `Node.js ${version} on Debian 12`,
  release: "bookworm",
  packages: ["ca-certificates", "openssl"],
  npm: { node: version, npm, pnpm: "10", yarn: "1" },
  environment: {
    ...common,
    // Else it trusts those authorities alone that it was built with.
    NODE_USE_SYSTEM_CA: "1",
    NPM_CONFIG_CACHE: `${cacheFolder}/npm`,
    NPM_CONFIG_UPDATE_NOTIFIER: "false",
    NPM_CONFIG_FUND: "false",
    YARN_CACHE_FOLDER: `${cacheFolder}/yarn`,
  },
  script: 'chroot "$root" node --version && chroot "$root" npm --version',
});

const python = (version: string, release: "bookworm" | "trixie"): BaseImageRecipe => ({
  runtime: "python",
  version,
  title: `Python ${version} on Debian ${release === "bookworm" ? 12 : 13}`,
  release,
  packages: ["ca-certificates", "python3", "python3-venv"],
  environment: {
    ...common,
    PYTHONUNBUFFERED: "1",
    PIP_CACHE_DIR: `${cacheFolder}/pip`,
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    UV_CACHE_DIR: `${cacheFolder}/uv`,
    POETRY_CACHE_DIR: `${cacheFolder}/poetry`,
  },
  script: `chroot "$root" python3 -c 'import sys, ssl, sqlite3, venv; assert "%d.%d" % sys.version_info[:2] == "${version}"'
ln -s python3 "$root/usr/bin/python"`,
});

const phpModules = ["bcmath", "curl", "gd", "intl", "mbstring", "mysql", "opcache", "pgsql", "sqlite3", "xml", "zip"] as const;

/** Extensions that come with the image or with PHP itself, as composer.json names them after `ext-`. */
export const phpIncluded: readonly string[] = [
  ...["bcmath", "curl", "gd", "intl", "mbstring", "mysqli", "pdo_mysql", "opcache", "zend-opcache", "pgsql", "pdo_pgsql"],
  ...["sqlite3", "pdo_sqlite", "dom", "simplexml", "xml", "xmlreader", "xmlwriter", "xsl", "zip", "calendar", "ctype", "exif"],
  ...[
    "ffi",
    "fileinfo",
    "filter",
    "ftp",
    "gettext",
    "hash",
    "iconv",
    "json",
    "libxml",
    "openssl",
    "pcntl",
    "pcre",
    "pdo",
    "phar",
  ],
  ...[
    "posix",
    "random",
    "readline",
    "reflection",
    "session",
    "shmop",
    "sockets",
    "sodium",
    "spl",
    "standard",
    "sysvmsg",
    "sysvsem",
  ],
  ...["sysvshm", "tokenizer", "zlib", "date", "core", "mysqlnd"],
];

/** Of every app in PHP; the folder that it serves is a file beside it (`building/webServers.ts`). */
const apacheMain = `# One process tree, which ends as a whole when it is told to: no supervisor is needed around it.
ServerRoot /etc/apache2
Mutex file:/tmp
PidFile /tmp/apache2.pid
DefaultRuntimeDir /tmp
Timeout 300
KeepAlive On
KeepAliveTimeout 5
HostnameLookups Off
ServerName localhost
ServerTokens Prod
ServerSignature Off
TraceEnable Off
LogLevel warn
ErrorLog /proc/self/fd/2
Include mods-enabled/*.load
Include mods-enabled/*.conf
# Memory is the container's: so many at once as fit into 512 MB with PHP's own limit rarely reached.
StartServers 2
MinSpareServers 1
MaxSpareServers 4
MaxRequestWorkers 20
MaxConnectionsPerChild 2000
GracefulShutdownTimeout 25
<Directory />
  Options FollowSymLinks
  AllowOverride None
  Require all denied
</Directory>
AccessFileName .htaccess
<FilesMatch "^\\.(?!well-known)">
  Require all denied
</FilesMatch>
IncludeOptional /etc/khmara/apache.conf
`;

const phpSettings = `; For production.
display_errors = Off
log_errors = On
error_log = /proc/self/fd/2
expose_php = Off
variables_order = "EGPCS"
memory_limit = 128M
post_max_size = 64M
upload_max_filesize = 64M
upload_tmp_dir = /tmp
session.save_path = /tmp
session.use_strict_mode = 1
session.cookie_httponly = 1
session.cookie_samesite = Lax
opcache.enable = 1
opcache.memory_consumption = 128
opcache.max_accelerated_files = 20000
; The code never changes while it runs.
opcache.validate_timestamps = 0
realpath_cache_size = 4096K
realpath_cache_ttl = 600
`;

const php = (version: string, release: "bookworm" | "trixie"): BaseImageRecipe => ({
  runtime: "php",
  version,
  title: `PHP ${version} with Apache on Debian ${release === "bookworm" ? 12 : 13}`,
  release,
  packages: [
    "apache2",
    "ca-certificates",
    "composer",
    `libapache2-mod-php${version}`,
    `php${version}-cli`,
    ...phpModules.map((name) => `php${version}-${name}`),
    "unzip",
  ],
  environment: { ...common, COMPOSER_HOME: `${cacheFolder}/composer`, COMPOSER_CACHE_DIR: `${cacheFolder}/composer/cache` },
  files: {
    "etc/apache2/khmara.conf": apacheMain,
    [`etc/php/${version}/apache2/conf.d/90-khmara.ini`]: phpSettings,
    [`etc/php/${version}/cli/conf.d/90-khmara.ini`]: 'variables_order = "EGPCS"\nerror_log = /proc/self/fd/2\n',
    "etc/khmara/apache.conf": "Listen 8080\nDocumentRoot /app\n<Directory /app>\n  Require all granted\n</Directory>\n",
  },
  script: `chroot "$root" a2enmod -q rewrite headers deflate expires setenvif remoteip >/dev/null
chroot "$root" a2dismod -q -f status autoindex >/dev/null
chroot "$root" /usr/sbin/apache2 -t -f /etc/apache2/khmara.conf`,
});

const compressed =
  "text/plain text/css text/javascript text/xml application/javascript application/json application/xml application/rss+xml application/manifest+json application/wasm image/svg+xml font/ttf";

/** The parts of nginx's settings that no site changes; the site itself is `/etc/khmara/site.conf` (`building/webServers.ts`). */
const nginxMain = `# Runs as the user of the app: every file that it writes is in /tmp.
load_module /usr/lib/nginx/modules/ngx_http_brotli_filter_module.so;
load_module /usr/lib/nginx/modules/ngx_http_brotli_static_module.so;
worker_processes auto;
pid /tmp/nginx.pid;
error_log stderr warn;
daemon off;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  types { application/manifest+json webmanifest; text/javascript mjs; }
  charset utf-8;
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 65s;
  etag on;
  absolute_redirect off;
  gzip on;
  gzip_static on;
  gzip_vary on;
  gzip_proxied any;
  gzip_comp_level 5;
  gzip_min_length 1000;
  gzip_types ${compressed};
  brotli on;
  brotli_static on;
  brotli_comp_level 5;
  brotli_min_length 1000;
  brotli_types ${compressed};
  client_body_temp_path /tmp/nginx-body;
  proxy_temp_path /tmp/nginx-proxy;
  fastcgi_temp_path /tmp/nginx-fastcgi;
  uwsgi_temp_path /tmp/nginx-uwsgi;
  scgi_temp_path /tmp/nginx-scgi;
  include /etc/khmara/site.conf;
}
`;

export const baseImageRecipes: readonly BaseImageRecipe[] = [
  { runtime: "base", version: "12", title: "Debian 12", release: "bookworm", packages: ["ca-certificates"], environment: common },
  node("20", "10"),
  node("22", "11"),
  node("24", "11"),
  node("26", "11"),
  python("3.11", "bookworm"),
  python("3.13", "trixie"),
  {
    runtime: "go",
    version: "1.24",
    title: "Go 1.24 on Debian 13",
    release: "trixie",
    packages: ["ca-certificates", "git", "golang-1.24-go"],
    environment: {
      ...common,
      PATH: `/usr/lib/go-1.24/bin:${path}`,
      GOPATH: `${cacheFolder}/go`,
      GOMODCACHE: `${cacheFolder}/go/mod`,
      GOCACHE: `${cacheFolder}/go/build`,
      CGO_ENABLED: "0",
    },
    script: 'chroot "$root" /usr/lib/go-1.24/bin/go version',
  },
  php("8.2", "bookworm"),
  php("8.4", "trixie"),
  {
    runtime: "static",
    version: "12",
    title: "nginx on Debian 12",
    release: "bookworm",
    packages: ["libnginx-mod-http-brotli-filter", "libnginx-mod-http-brotli-static", "nginx"],
    environment: common,
    files: { "etc/nginx/khmara.conf": nginxMain, "etc/khmara/site.conf": "server { listen 8080; root /app; }\n" },
    script: 'chroot "$root" /usr/sbin/nginx -t -q -c /etc/nginx/khmara.conf && rm -rf "$root"/tmp/nginx*',
  },
];

/** What is taken where nothing is said. */
export const defaultVersions: Readonly<Record<Runtime, string>> = {
  base: "12",
  node: "24",
  python: "3.13",
  go: "1.24",
  php: "8.4",
  static: "12",
};

export const versionsOf = (runtime: Runtime): string[] =>
  baseImageRecipes.filter((recipe) => recipe.runtime === runtime).map(({ version }) => version);

/**
 * Its name in the engine. `internal` is a domain that no registry can have (ICANN's decision of July 2024), so an engine that lacks
 * the image never takes one of the same name from elsewhere.
 */
export const baseImageReference = ({ runtime, version }: Pick<BaseImageRecipe, "runtime" | "version">): string =>
  `base.khmara.internal/${runtime}:${version}`;
