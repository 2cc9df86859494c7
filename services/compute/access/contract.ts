import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

const byInstance = z.object({ instance: id("instance") });
const userName = z
  .string()
  .regex(/^[a-z_][a-z0-9_.-]{0,31}\$?$/i, "The name of a user inside the guest.")
  .describe("A user inside the guest.");
const columns = z.coerce.number().int().min(1).max(1000).default(80).describe("Width of the window, in letters.");
const rows = z.coerce.number().int().min(1).max(1000).default(24).describe("Height of the window, in lines.");
const path = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^\/[^\0]*$/, "A path inside the guest begins with a slash.")
  .describe("An absolute path inside the guest.");
const errors = ["not_found", "failed_precondition", "deadline_exceeded"] as const;

/** Of one command: the body of instanceExec, and the `start` of instanceExecStream. */
const commandFields = {
  command: z
    .array(z.string().max(131_072))
    .min(1, "Which command?")
    .max(1024)
    .describe("The program and its arguments. No shell is in between: use `sh -c` for one."),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "Letters, digits and underscores."), z.string().max(131_072))
    .default({})
    .describe("Variables beside the usual ones."),
  user: userName.default("root"),
  workingDirectory: path.optional().describe("Absent: the user's home."),
};

/** The first text message to instanceExecStream. */
export const execStart = z.strictObject(commandFields);
export type ExecStart = z.output<typeof execStart>;

export const fileKind = z.enum(["file", "directory", "link", "other"]);
export const instanceFile = z.object({
  name: z.string(),
  kind: fileKind,
  sizeBytes: z.number().int(),
  mode: z.string().describe("In octal, as chmod takes it: 0644."),
  user: z.string(),
  group: z.string(),
  modifiedAt: timestamp,
  target: z.string().optional().describe("Where a link leads."),
});
export type InstanceFile = z.output<typeof instanceFile>;

/** Text as it is; bytes that are no UTF-8 as base64. */
const output = (what: string) => z.string().describe(`${what}, at most 1 MiB.`);

export const accessRoutes = {
  instanceTerminal: route({
    method: "GET",
    path: "/v1/instances/{instance}/terminal",
    summary: "Open a terminal inside an instance",
    description:
      "A WebSocket. Binary messages are the bytes of the terminal, both ways. Text messages are JSON: send " +
      "`{resize: {columns, rows}}` when the window changes and `{acknowledged: N}` (bytes shown so far) to be sent no more than " +
      "512 KiB ahead; `{exit: {code}}` comes when the shell ends, `{error: …}` with a problem document when something fails.",
    permission: "compute.instance.terminal",
    roles: ["editor"],
    params: byInstance,
    query: z.object({
      columns,
      rows,
      user: userName.default("root"),
      command: z.string().min(1).max(4096).optional().describe("A line for the user's shell. Absent: a login shell."),
    }),
    errors,
    stream: { response: "socket" },
  }),
  instanceConsole: route({
    method: "GET",
    path: "/v1/instances/{instance}/console",
    summary: "Open the serial console of an instance",
    description:
      "What a keyboard and screen at the serial port would show: messages of the boot and a login prompt. A WebSocket with the " +
      "messages of `instanceTerminal`.",
    permission: "compute.instance.console",
    roles: ["editor"],
    params: byInstance,
    query: z.object({ columns, rows }),
    errors,
    stream: { response: "socket" },
  }),
  instanceDisplay: route({
    method: "GET",
    path: "/v1/instances/{instance}/display",
    summary: "Open the screen of a virtual machine",
    description:
      "A WebSocket whose binary messages are the bytes of the protocol. Each connection is one channel of SPICE: a client opens as many " +
      "as it needs. LXD and Incus speak SPICE; asked for another protocol than the engine has, it answers not_implemented. Containers " +
      "have no screen.",
    permission: "compute.instance.display",
    roles: ["editor"],
    params: byInstance,
    query: z.object({ protocol: z.enum(["spice", "vnc"]).default("spice") }),
    errors: [...errors, "not_implemented"],
    stream: { response: "socket" },
    cli: false,
  }),
  instanceExec: route({
    method: "POST",
    path: "/v1/instances/{instance}/exec",
    summary: "Run a command inside an instance",
    description: "Waits for its end. For long output or input without end there is `instanceExecStream`.",
    permission: "compute.instance.exec",
    roles: ["editor"],
    params: byInstance,
    body: z.object({
      ...commandFields,
      stdin: z.string().max(700_000).optional().describe("What the command reads, at most 512 KiB."),
      stdinEncoding: z.enum(["utf-8", "base64"]).default("utf-8"),
      timeoutSeconds: z.number().int().min(1).max(3600).default(60).describe("Then it is killed: deadline_exceeded."),
    }),
    response: z.object({
      exitCode: z.number().int(),
      stdout: output("What it wrote"),
      stdoutEncoding: z.enum(["utf-8", "base64"]).describe("base64 where it is no text."),
      stderr: output("Its messages"),
      stderrEncoding: z.enum(["utf-8", "base64"]),
      truncated: z.boolean().describe("There was more than is answered."),
    }),
    errors,
    stream: {},
  }),
  instanceExecStream: route({
    method: "GET",
    path: "/v1/instances/{instance}/exec",
    summary: "Run a command inside an instance, with streams",
    description:
      "A WebSocket. Send the text `{start: {command: […], environment, user, workingDirectory}}` first, then binary messages as what the " +
      "command reads and `{end: true}` after the last of them. Binary messages that come begin with one byte: 1 for the command's " +
      "output, 2 for its messages. `{exit: {code}}` comes last.",
    permission: "compute.instance.exec",
    roles: ["editor"],
    params: byInstance,
    errors,
    stream: { response: "socket" },
    cli: false,
  }),
  instanceLog: route({
    method: "GET",
    path: "/v1/instances/{instance}/log",
    summary: "Show what an instance wrote to its serial console",
    permission: "compute.instance.log",
    roles: ["editor"],
    params: byInstance,
    query: z.object({
      maxBytes: z.coerce.number().int().min(1).max(1_048_576).default(65_536).describe("How much of its end."),
    }),
    response: z.object({ text: z.string() }),
    errors,
    stream: {},
  }),
  instanceFileList: route({
    method: "GET",
    path: "/v1/instances/{instance}/files",
    summary: "List a folder inside an instance",
    permission: "compute.instance_file.list",
    roles: ["editor"],
    params: byInstance,
    query: pageQuery.extend({ path: path.default("/") }),
    response: page(instanceFile),
    errors,
    stream: {},
  }),
  instanceFileDownload: route({
    method: "GET",
    path: "/v1/instances/{instance}/file/content",
    summary: "Download a file from inside an instance",
    permission: "compute.instance_file.read",
    roles: ["editor"],
    params: byInstance,
    query: z.object({ path }),
    errors,
    stream: { response: "bytes" },
    // `khmara instance cp` is for both.
    cli: false,
  }),
  instanceFileUpload: route({
    method: "PUT",
    path: "/v1/instances/{instance}/file/content",
    summary: "Upload a file into an instance",
    description: "A file of that name is replaced.",
    permission: "compute.instance_file.write",
    roles: ["editor"],
    params: byInstance,
    query: z.object({
      path,
      mode: z
        .string()
        .regex(/^0?[0-7]{3,4}$/, "Four octal digits: 0644.")
        .default("0644"),
      user: userName.default("root"),
      makeParents: z.stringbool().default(false).describe("Make the folders that are missing."),
    }),
    errors: [...errors, "payload_too_large", "storage_full"],
    stream: { request: "bytes" },
    cli: false,
  }),
  instanceSshGet: route({
    method: "GET",
    path: "/v1/instances/{instance}/ssh",
    summary: "Show how to reach an instance by SSH",
    description: "The user that its image has for that, and the keys by which the host proves itself, read inside the guest.",
    permission: "compute.instance.ssh",
    roles: ["editor"],
    params: byInstance,
    response: z.object({
      user: z.string(),
      port: z.number().int(),
      hostKeys: z.array(z.string()).describe("`ssh-ed25519 AAAA…`: lines for a known_hosts file, without the name."),
      addresses: z
        .array(z.object({ kind: z.enum(["private", "floating"]), address: z.string() }))
        .describe("None are needed for `khmara ssh`, which goes through the cloud."),
    }),
    errors,
    stream: {},
  }),
  instanceTunnel: route({
    method: "GET",
    path: "/v1/instances/{instance}/tunnel",
    summary: "Open a TCP connection to a port of an instance",
    description:
      "Through the cloud, without a public address: what `khmara ssh` stands on. A WebSocket whose binary messages are the bytes of the " +
      "connection. `{end: true}`, sent or received, is the end of one direction.",
    permission: "compute.instance.tunnel",
    roles: ["editor"],
    params: byInstance,
    query: z.object({ port: z.coerce.number().int().min(1).max(65_535).default(22) }),
    errors,
    stream: { response: "socket" },
  }),
};

export const accessEvents = {};

export const accessQuotas = {} as const;

export const accessMeters = {} as const;
