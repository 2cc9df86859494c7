/** A guest book: Node's own SQLite on a disk, no dependencies. */
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { words } from "./words.js";

const { PORT = "8080", DATA_FOLDER = "/data", TITLE = "Guest book", LANGUAGE = "en" } = process.env;
const language = LANGUAGE in words ? LANGUAGE : "en";
const say = words[language];
const style = readFileSync(new URL("./style.css", import.meta.url));
const perPage = 50;
const longest = { name: 60, message: 1000, body: 16_384 };
/** From one address; so many at a time are remembered. */
const pauseMs = 5000;
const lastFrom = new Map();

mkdirSync(DATA_FOLDER, { recursive: true });
const database = new DatabaseSync(`${DATA_FOLDER}/guest-book.db`);
database.exec(`
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table if not exists entries (id integer primary key, name text not null, message text not null, at text not null)`);
const insert = database.prepare("insert into entries (name, message, at) values (?, ?, ?)");
const count = database.prepare("select count(*) as count from entries");
const page = database.prepare("select id, name, message, at from entries where id < ? order by id desc limit ?");

const plain = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
const date = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });

function html(before, problem = "", filled = {}) {
  const entries = page.all(before, perPage + 1);
  const shown = entries.slice(0, perPage);
  const list = shown
    .map(
      ({ name, message, at }) =>
        `<li><p class="message">${plain(message)}</p><p class="by"><strong>${plain(name)}</strong> · <time datetime="${at}">${date.format(new Date(at))}</time></p></li>`,
    )
    .join("");
  const first = before === Number.MAX_SAFE_INTEGER;
  return `<!doctype html><html lang="${language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${plain(TITLE)}</title><link rel="stylesheet" href="/style.css"><main>
<header><h1>${plain(TITLE)}</h1><p>${say.invite}</p></header>
<form method="post" action="/">
${problem === "" ? "" : `<p class="problem" role="alert">${problem}</p>`}
<label>${say.name}<input name="name" required maxlength="${longest.name}" autocomplete="name" value="${plain(filled.name ?? "")}"></label>
<label>${say.message}<textarea name="message" required maxlength="${longest.message}" rows="4">${plain(filled.message ?? "")}</textarea></label>
<button>${say.send}</button></form>
<h2>${say.entries(count.get().count)}</h2>
${list === "" ? `<p class="empty">${say.empty}</p>` : `<ol>${list}</ol>`}
<nav>${first ? "" : `<a href="/">${say.newer}</a>`}${entries.length > perPage ? `<a href="/?before=${shown.at(-1).id}">${say.older}</a>` : ""}</nav>
</main></html>`;
}

async function body(request) {
  let text = "";
  for await (const piece of request) {
    text += piece;
    if (text.length > longest.body) throw Object.assign(new Error("too long"), { status: 413 });
  }
  return new URLSearchParams(text);
}

/** As it was sent to the gateway. */
const addressOf = (request) =>
  String(request.headers["x-forwarded-for"] ?? request.socket.remoteAddress)
    .split(",")[0]
    .trim();

function mayWrite(address) {
  const now = Date.now();
  for (const [each, at] of lastFrom) if (now - at > pauseMs) lastFrom.delete(each);
  if (lastFrom.has(address)) return false;
  lastFrom.set(address, now);
  return true;
}

const server = createServer(async (request, response) => {
  const answer = (status, type, content, headers = {}) =>
    response
      .writeHead(status, {
        "content-type": type,
        "content-security-policy": "default-src 'self'; form-action 'self'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        ...headers,
      })
      .end(content);
  const show = (status, ...what) => answer(status, "text/html; charset=utf-8", html(...what), { "cache-control": "no-store" });
  try {
    const { pathname, searchParams } = new URL(request.url, "http://app");
    if (pathname === "/health") {
      count.get();
      return answer(200, "text/plain", "ok");
    }
    if (pathname === "/style.css") return answer(200, "text/css", style, { "cache-control": "max-age=300" });
    if (pathname !== "/") return answer(404, "text/plain", "Not found");
    if (request.method === "POST") {
      const fields = await body(request);
      const name = (fields.get("name") ?? "").trim().slice(0, longest.name);
      const message = (fields.get("message") ?? "").trim().slice(0, longest.message);
      const filled = { name, message };
      if (name === "" || message === "") return show(400, Number.MAX_SAFE_INTEGER, say.missing, filled);
      if (!mayWrite(addressOf(request))) return show(429, Number.MAX_SAFE_INTEGER, say.tooFast, filled);
      insert.run(name, message, new Date().toISOString());
      return answer(303, "text/plain", "", { location: "/" });
    }
    if (request.method !== "GET" && request.method !== "HEAD")
      return answer(405, "text/plain", "Not allowed", { allow: "GET, POST" });
    const before = Number(searchParams.get("before"));
    return show(200, Number.isSafeInteger(before) && before > 0 ? before : Number.MAX_SAFE_INTEGER);
  } catch (error) {
    const status = error.status ?? 500;
    if (status === 500) console.error(error);
    return answer(status, "text/plain", status === 413 ? "Too long" : "Something went wrong", { connection: "close" });
  }
});
server.listen(Number(PORT), () => console.log(`listening on ${PORT}, ${count.get().count} entries`));
process.on("SIGTERM", () => {
  server.close(() => {
    database.close();
    process.exit(0);
  });
  server.closeIdleConnections();
});
