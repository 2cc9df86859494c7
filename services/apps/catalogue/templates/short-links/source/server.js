/** Short links that lead to long addresses: Node's own SQLite on a disk, no dependencies. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { words } from "./words.js";

const { PORT = "8080", DATA_FOLDER = "/data", ADMIN_PASSWORD = "", SESSION_KEY = "", LANGUAGE = "en" } = process.env;
if (ADMIN_PASSWORD === "" || SESSION_KEY === "") {
  console.error("ADMIN_PASSWORD and SESSION_KEY have to be set.");
  process.exit(1);
}
const language = LANGUAGE in words ? LANGUAGE : "en";
const say = words[language];
const style = readFileSync(new URL("./style.css", import.meta.url));
const perPage = 100;
const sessionSeconds = 30 * 24 * 3600;
const triesPerMinute = 10;
const longestBody = 16_384;

mkdirSync(DATA_FOLDER, { recursive: true });
const database = new DatabaseSync(`${DATA_FOLDER}/short-links.db`);
database.exec(`
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table if not exists links (id integer primary key, word text not null unique, target text not null, visits integer not null default 0, at text not null)`);
const insert = database.prepare("insert into links (word, target, at) values (?, ?, ?) on conflict do nothing");
const visit = database.prepare("update links set visits = visits + 1 where word = ? returning target");
const remove = database.prepare("delete from links where word = ?");
const page = database.prepare("select id, word, target, visits from links where id < ? order by id desc limit ?");

const plain = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
const same = (one, other) => {
  const [a, b] = [one, other].map((text) => createHash("sha256").update(text).digest());
  return timingSafeEqual(a, b);
};
const sign = (until) => createHmac("sha256", SESSION_KEY).update(`session ${until}`).digest("base64url");
const alphabet = "abcdefghjkmnpqrstuvwxyz23456789";
const newWord = () => [...randomBytes(6)].map((byte) => alphabet[byte % alphabet.length]).join("");

function isSignedIn(request) {
  const [until, signature] = /(?:^|; )session=(\d+)\.([\w-]+)/.exec(request.headers.cookie ?? "")?.slice(1) ?? [];
  return until !== undefined && Number(until) > Date.now() / 1000 && same(signature, sign(until));
}

let tries = { minute: 0, count: 0 };
function mayTry() {
  const minute = Math.floor(Date.now() / 60_000);
  if (tries.minute !== minute) tries = { minute, count: 0 };
  return ++tries.count <= triesPerMinute;
}

const frame = (
  content,
) => `<!doctype html><html lang="${language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${say.title}</title><link rel="stylesheet" href="/-/style.css"><main>${content}</main></html>`;

const signInPage = (problem = "") =>
  frame(`<h1>${say.title}</h1><form method="post" action="/-/sign-in">
${problem === "" ? "" : `<p class="problem" role="alert">${problem}</p>`}
<label>${say.password}<input name="password" type="password" required autocomplete="current-password"></label>
<button>${say.signIn}</button></form>`);

function linksPage(host, before, problem = "", filled = {}) {
  const links = page.all(before, perPage + 1);
  const shown = links.slice(0, perPage);
  const rows = shown
    .map(
      ({
        word,
        target,
        visits,
      }) => `<tr><td><a href="/${word}">${plain(host)}/${word}</a></td><td class="target">${plain(target)}</td><td class="number">${visits}</td>
<td><form method="post" action="/-/delete"><button class="quiet" name="word" value="${word}" aria-label="${say.removeOne(word)}">${say.remove}</button></form></td></tr>`,
    )
    .join("");
  return frame(`<header><h1>${say.title}</h1><form method="post" action="/-/sign-out"><button class="quiet">${say.signOut}</button></form></header>
<form class="card" method="post" action="/-/links">
${problem === "" ? "" : `<p class="problem" role="alert">${problem}</p>`}
<label>${say.target}<input name="target" type="url" required maxlength="4000" placeholder="https://" value="${plain(filled.target ?? "")}"></label>
<label>${say.word}<input name="word" maxlength="60" autocapitalize="none" value="${plain(filled.word ?? "")}"></label>
<button>${say.make}</button></form>
${rows === "" ? `<p class="empty">${say.empty}</p>` : `<div class="scroll" tabindex="0" role="region" aria-label="${say.title}"><table><thead><tr><th>${say.link}</th><th>${say.leads}</th><th class="number">${say.visits}</th><td></td></tr></thead><tbody>${rows}</tbody></table></div>`}
${links.length > perPage ? `<nav><a href="/?before=${shown.at(-1).id}">${say.before}</a></nav>` : ""}`);
}

async function body(request) {
  let text = "";
  for await (const piece of request) {
    text += piece;
    if (text.length > longestBody) throw Object.assign(new Error("too long"), { status: 413 });
  }
  return new URLSearchParams(text);
}

const server = createServer(async (request, response) => {
  const answer = (status, type, content, headers = {}) =>
    response
      .writeHead(status, {
        "content-type": type,
        "cache-control": "no-store",
        "content-security-policy": "default-src 'self'; form-action 'self'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        ...headers,
      })
      .end(content);
  const html = (status, content) => answer(status, "text/html; charset=utf-8", content);
  const home = (headers = {}) => answer(303, "text/plain", "", { location: "/", ...headers });
  const cookie = (value, seconds) => {
    const secure = request.headers["x-forwarded-proto"] === "https" ? "; Secure" : "";
    return { "set-cookie": `session=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}` };
  };
  try {
    const { pathname, searchParams } = new URL(request.url, "http://app");
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (pathname === "/-/health") {
      page.all(1, 1);
      return answer(200, "text/plain", "ok");
    }
    if (pathname === "/-/style.css") return answer(200, "text/css", style, { "cache-control": "max-age=300" });
    if (isRead && pathname === "/") {
      if (!isSignedIn(request)) return html(200, signInPage());
      const before = Number(searchParams.get("before"));
      return html(
        200,
        linksPage(request.headers.host ?? "", Number.isSafeInteger(before) && before > 0 ? before : Number.MAX_SAFE_INTEGER),
      );
    }
    if (isRead) {
      const found = /^\/([\w-]{1,60})$/.exec(pathname)?.[1];
      const link = found === undefined ? undefined : visit.get(found);
      return link ? answer(302, "text/plain", "", { location: link.target }) : html(404, frame(`<h1>${say.gone}</h1>`));
    }
    if (request.method !== "POST") return answer(405, "text/plain", "Not allowed", { allow: "GET, POST" });
    const fields = await body(request);
    if (pathname === "/-/sign-in") {
      if (!mayTry()) return html(429, signInPage(say.wait));
      if (!same(fields.get("password") ?? "", ADMIN_PASSWORD)) return html(403, signInPage(say.wrong));
      const until = Math.floor(Date.now() / 1000) + sessionSeconds;
      return home(cookie(`${until}.${sign(until)}`, sessionSeconds));
    }
    if (!isSignedIn(request)) return html(403, signInPage());
    if (pathname === "/-/sign-out") return home(cookie("", 0));
    if (pathname === "/-/delete") {
      remove.run(fields.get("word") ?? "");
      return home();
    }
    if (pathname === "/-/links") {
      const filled = { target: (fields.get("target") ?? "").trim(), word: (fields.get("word") ?? "").trim() };
      const again = (problem) => html(400, linksPage(request.headers.host ?? "", Number.MAX_SAFE_INTEGER, problem, filled));
      if (!/^https?:\/\//i.test(filled.target) || !URL.canParse(filled.target) || filled.target.length > 4000)
        return again(say.badTarget);
      if (filled.word !== "" && !/^[\w-]{1,60}$/.test(filled.word)) return again(say.badWord);
      if (filled.word === "-") return again(say.taken);
      const at = new Date().toISOString();
      const target = new URL(filled.target).href;
      if (filled.word !== "") {
        if (insert.run(filled.word, target, at).changes === 0) return again(say.taken);
      } else while (insert.run(newWord(), target, at).changes === 0);
      return home();
    }
    return answer(404, "text/plain", "Not found");
  } catch (error) {
    const status = error.status ?? 500;
    if (status === 500) console.error(error);
    return answer(status, "text/plain", status === 413 ? "Too long" : "Something went wrong", { connection: "close" });
  }
});
server.listen(Number(PORT), () => console.log(`listening on ${PORT}`));
process.on("SIGTERM", () => {
  server.close(() => {
    database.close();
    process.exit(0);
  });
  server.closeIdleConnections();
});
