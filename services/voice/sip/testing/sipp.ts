/** sipp plays the other one: scenarios written here, run by a program that we did not write. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../../testing/ports.ts";
import { installTestTools } from "../../../../tools/test-tools.ts";

const missing = await installTestTools({ "/usr/bin/sipp": "sip-tester" });
assert.deepEqual(missing, [], "sipp is needed: apt-get install sip-tester");

type Step = string;

export const media = `v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 6000 RTP/AVP 0
a=rtpmap:0 PCMU/8000`;

const lines = (text: string): string => text.trim().replace(/^[ \t]+/gm, "");

const message = (head: string, sdp: string | undefined): string =>
  sdp === undefined
    ? `<![CDATA[\n${lines(head)}\nContent-Length: 0\n\n]]>`
    : `<![CDATA[\n${lines(head)}\nContent-Type: application/sdp\nContent-Length: [len]\n\n${sdp}\n]]>`;

interface Sending {
  /** More header lines. */
  headers?: string;
  sdp?: string | true;
  /** Milliseconds after which it is sent again over UDP. */
  retransmits?: number;
}

const sdpOf = ({ sdp }: Sending): string | undefined => (sdp === true ? media : sdp);
const again = ({ retransmits }: Sending): string => (retransmits === undefined ? "" : ` retrans="${retransmits}"`);

/** A request of the caller; in a dialog once the other one's tag is known ([peer_tag_param] is empty before). */
export function request(
  method: string,
  number: number,
  options: Sending & { branch?: string; uri?: string; routes?: boolean } = {},
): Step {
  const uri = options.uri ?? "sip:[service]@[remote_ip]:[remote_port]";
  const head = `${method} ${uri} SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=${options.branch ?? "[branch]"}
    From: "sipp" <sip:sipp@[local_ip]:[local_port]>;tag=[pid]s[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: ${number} ${method}
    Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
    Max-Forwards: 70
    ${options.headers ?? "Subject: test"}`;
  return `<send${again(options)}>${message(head, sdpOf(options))}</send>`;
}

/** An answer to what came last. */
export function reply(status: string, options: Sending & { tag?: boolean } = {}): Step {
  const head = `SIP/2.0 ${status}
    [last_Via:]
    [last_From:]
    [last_To:]${options.tag === false ? "" : ";tag=[pid]u[call_number]"}
    [last_Call-ID:]
    [last_CSeq:]
    Contact: <sip:[local_ip]:[local_port];transport=[transport]>
    ${options.headers ?? "Server: sipp"}`;
  return `<send${again(options)}>${message(head, sdpOf(options))}</send>`;
}

export const expect = (what: number | string, more = ""): Step =>
  typeof what === "number" ? `<recv response="${what}" ${more}></recv>` : `<recv request="${what}" ${more}></recv>`;

export const perhaps = (what: number | string): Step => expect(what, 'optional="true"');

export interface SippOptions {
  /** Or as sipp calls it: one socket for all calls (u1, t1), or one for each (un, tn). */
  transport?: "udp" | "tcp" | "u1" | "un" | "t1" | "tn";
  /** host:port; none for one who waits to be called. */
  target?: string;
  service?: string;
  port?: number;
  more?: string[];
  calls?: number;
}

/** Plays it once, or as often as it says: steps, or a scenario of sipp's own by its name. Rejects with what sipp has seen if it did not go so. */
export async function play(steps: Step[] | string, options: SippOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "khmara-sipp-"));
  try {
    const file = join(folder, "scenario.xml");
    const isOwn = typeof steps === "string";
    if (!isOwn)
      await writeFile(
        file,
        `<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="test">\n${steps.join("\n")}\n</scenario>\n`,
      );
    const words = [
      ...(isOwn ? ["-sn", steps] : ["-sf", file]),
      "-i",
      "127.0.0.1",
      "-m",
      String(options.calls ?? 1),
      "-nostdin",
      "-trace_err",
      "-error_file",
      join(folder, "errors.log"),
    ];
    words.push(
      "-t",
      { udp: "u1", tcp: "t1" }[options.transport as string] ?? options.transport ?? "u1",
      "-s",
      options.service ?? "bob",
      "-recv_timeout",
      "20000",
      "-timeout",
      "40",
    );
    words.push("-p", String(options.port ?? (await freePort())), "-trace_msg", "-message_file", join(folder, "messages.log"));
    if (options.target !== undefined) words.push(options.target);
    const code = await run([...words, ...(options.more ?? [])], folder);
    if (code !== 0) throw new Error(`sipp ended with ${code}.\n${await logs(folder)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(words: string[], cwd: string): Promise<number | null> {
  const child = spawn("/usr/bin/sipp", words, { cwd, stdio: "ignore", env: { ...process.env, TERM: "dumb" } });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
}

async function logs(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".log"));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.join("\n").slice(-6000);
}
