import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../testing/ports.ts";

const program = "/usr/sbin/nginx";

export interface Nginx {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

/**
 * Debian's nginx with one worker: files by GET, and WebDAV's PUT, which writes aside and renames, without any fsync. So it is the floor of
 * the protocol and of the file system, not of durable storage.
 */
export async function startNginx(): Promise<Nginx | undefined> {
  if (!existsSync(program)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "khmara-bench-nginx-"));
  const port = await freePort();
  mkdirSync(join(folder, "files"));
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; pid ${folder}/pid; error_log stderr crit; worker_processes 1;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 65; keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    root ${folder}/files;
    client_max_body_size 0; client_body_buffer_size 128k;
    location / { dav_methods PUT DELETE; create_full_put_path on; }
  }
}
`,
  );
  const child = spawn(program, ["-c", join(folder, "nginx.conf"), "-p", folder], { stdio: ["ignore", "ignore", "inherit"] });
  const answers = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
  for (let attempt = 0; !(await answers()); attempt++) {
    if (attempt === 100 || child.exitCode !== null) throw new Error("nginx does not start.");
    await sleep(50);
  }
  return {
    port,
    pid: child.pid as number,
    async stop() {
      const closed = once(child, "close");
      child.kill("SIGTERM");
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
