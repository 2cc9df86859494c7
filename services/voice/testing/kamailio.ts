import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../testing/ports.ts";
import { PhoneProcess } from "./phoneProcess.ts";

export interface Kamailio {
  /** `127.0.0.1:port`. */
  address: string;
  port: number;
  close(): Promise<void>;
}

/**
 * Debian's kamailio as a provider: whoever knows the password registers there and calls; who calls one of `numbers` gets the user that it names, and what
 * that one has registered.
 */
export async function startKamailio(
  host: string,
  password: string,
  numbers: Readonly<Record<string, string>>,
): Promise<Kamailio> {
  const port = await freePort();
  const process = await PhoneProcess.start(
    "kamailio",
    (folder) => writeFile(join(folder, "kamailio.cfg"), configuration(host, port, password, numbers)),
    (folder) => ["/usr/sbin/kamailio", "-f", join(folder, "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "8", "-Y", folder],
  );
  try {
    await process.until("kamailio listens", () => (process.output.includes("provider is ready") ? true : undefined));
  } catch (error) {
    await process.close();
    throw error;
  }
  return { address: `${host}:${port}`, port, close: () => process.close() };
}

const configuration = (host: string, port: number, password: string, numbers: Readonly<Record<string, string>>): string =>
  `#!KAMAILIO
debug=2
log_stderror=yes
children=2
disable_tcp=yes
listen=udp:${host}:${port}
auto_aliases=no
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "auth.so"
modparam("rr", "append_fromtag", 1)
event_route[core:worker-one-init] {
  xlog("L_WARN", "provider is ready\\n");
}
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK") && t_check_trans()) { t_relay(); exit; }
    sl_send_reply("404", "Not Here");
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("provider", "${password}", "0")) { www_challenge("provider", "0"); exit; }
    save("location");
    exit;
  }
  if (!is_method("INVITE")) { sl_send_reply("200", "OK"); exit; }
  if (!pv_proxy_authenticate("provider", "${password}", "0")) { proxy_challenge("provider", "0"); exit; }
  consume_credentials();
  record_route();
${Object.entries(numbers)
  .map(([number, user]) => `  if ($rU == "${number}") { $rU = "${user}"; }`)
  .join("\n")}
  if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  t_relay();
}
`;
