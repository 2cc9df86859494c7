import { type Command, findCommand, kebab } from "./commands.ts";
import { usage } from "./help.ts";
import { block, type Column, table } from "./table.ts";
import { formatSize, formatTime } from "./units.ts";

type Fields = Record<string, unknown>;

/** What tables of these lists show, where that is not simply every short field. `a.b` reaches into an object. */
const columnsOf: Record<string, string[]> = {
  appList: ["id", "name", "state", "url", "runtime", "releaseNumber", "deployedAt"],
  appDiskList: ["id", "name", "path", "createdAt"],
  appLogList: ["at", "container", "text"],
  containerList: ["name", "releaseNumber", "state", "restarts", "cpuPercent", "memoryBytes", "memoryLimitBytes", "startedAt"],
  deploymentList: ["id", "number", "state", "source.description", "runtime", "releaseNumber", "createdBy", "createdAt"],
  domainList: ["id", "host", "redirectTo", "certificate.state", "problem", "certificate.expiresAt"],
  processList: ["name", "count", "running", "memoryBytes", "cpus", "command"],
  releaseList: ["number", "isLive", "canRollBack", "source.description", "runtime", "imageBytes", "createdAt"],
  settingList: ["name", "value", "isSecret", "origin", "isMissing", "updatedAt"],
  addressList: ["id", "address", "instanceName", "poolName", "description", "createdAt"],
  addressPoolList: ["id", "name", "range", "interface", "used", "total"],
  alertList: ["id", "ruleName", "instanceName", "state", "metric", "worstValue", "firedAt", "resolvedAt"],
  alertRuleList: ["id", "name", "enabled", "metric", "comparison", "threshold", "forSeconds", "firing"],
  backupList: ["id", "name", "source", "state", "sizeBytes", "bucketName", "verification", "createdAt"],
  differenceList: ["id", "kind", "resource", "detail", "allowedActions", "firstSeenAt"],
  engineMemberList: ["name", "state", "address", "instances", "vcpus", "cpus", "memoryUsedBytes", "memoryBytes"],
  imageList: ["id", "name", "state", "visibility", "sizeBytes", "minimumDiskBytes", "defaultUser", "createdAt"],
  imageRecipeList: ["name", "title", "available", "mirror", "reason"],
  instanceGroupList: ["id", "name", "policy", "instances"],
  instanceList: ["id", "name", "state", "sizeName", "imageName", "ports.0.ipv4", "ports.0.floatingAddress", "createdAt"],
  jobList: ["id", "name", "state", "array", "tasks.succeeded", "tasks.failed", "priority", "createdAt"],
  loadBalancerList: ["id", "name", "listenAddress", "listenPort", "algorithm", "createdAt"],
  networkList: ["id", "name", "state", "cidr", "ports", "internet", "routed", "dnsDomain"],
  portForwardList: ["id", "protocol", "listenAddress", "listenPort", "instanceName", "targetAddress", "targetPort"],
  portList: ["id", "networkName", "instanceName", "ipv4", "floatingAddress", "dnsName"],
  securityGroupList: ["id", "name", "description", "default", "ports"],
  sizeList: ["name", "vcpus", "memoryBytes", "diskBytes", "pricePerHour"],
  snapshotList: ["id", "name", "source", "state", "usedBytes", "createdAt"],
  snapshotScheduleList: ["id", "name", "source", "kind", "frequency", "at", "keepLast", "enabled", "nextRunAt"],
  sshKeyList: ["id", "name", "type", "fingerprint", "createdAt"],
  taskList: ["id", "index", "state", "attempt", "exitCode", "startedAt", "finishedAt"],
  volumeList: ["id", "name", "state", "sizeBytes", "usedBytes", "attachment.instanceName", "attachment.path", "createdAt"],
  accessKeyList: ["id", "accessKeyId", "name", "owner", "readOnly", "enabled", "lastUsedAt"],
  apiTokenList: ["id", "name", "prefix", "owner", "scopes", "lastUsedAt", "expiresAt"],
  auditEntryList: ["sequence", "at", "actor", "action", "resource", "sourceIp"],
  bucketList: ["name", "objects", "sizeBytes", "uploadBytes", "trashBytes", "createdAt"],
  invitationList: ["id", "email", "role", "state", "invitedBy", "expiresAt"],
  memberList: ["principal.id", "principal.name", "principal.email", "roles", "state", "secondFactor", "lastSignInAt"],
  objectList: ["kind", "key", "sizeBytes", "contentType", "modifiedAt"],
  operationList: ["id", "kind", "resource", "state", "progress", "createdBy", "createdAt"],
  organisationList: ["id", "slug", "name", "state", "createdAt"],
  projectList: ["id", "slug", "name", "createdAt"],
  quotaList: ["name", "used", "limit", "custom", "summary"],
  roleBindingList: ["id", "principal", "role", "scope"],
  sessionList: ["id", "method", "sourceIp", "userAgent", "lastSeenAt", "current"],
  shareList: ["id", "key", "state", "downloads", "createdBy", "expiresAt"],
  usageRecordList: ["from", "to", "meter", "resource", "quantity", "unit"],
  userList: ["id", "name", "email", "state", "totpEnabled", "lastSignInAt"],
};

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const inBytes = (record: Fields): boolean => ["bytes", "byte_hours"].includes(String(record["unit"]));
const bytesFields = new Set(["limit", "used", "quantity", "total", "before"]);

/** `sizeBytes` → `size`, `createdAt` → `created`, `principal.email` → `email`. */
function title(field: string): string {
  const words = kebab(field.split(".").at(-1) as string).split("-");
  if (words.length > 1 && ["at", "bytes"].includes(words.at(-1) as string)) words.pop();
  return words.join(" ");
}

function scope(record: Fields): string {
  if (record["projectId"] !== undefined) return String(record["projectId"]);
  return record["organisationId"] === undefined ? "the whole cloud" : String(record["organisationId"]);
}

function read(record: Fields, field: string): unknown {
  if (field === "scope") return scope(record);
  if (field === "roles" && Array.isArray(record["bindings"])) {
    const roles = (record["bindings"] as Fields[]).map(
      (one) => `${one["role"]}${one["projectId"] === undefined ? "" : " (project)"}`,
    );
    return [...new Set(roles)].join(", ");
  }
  return field
    .split(".")
    .reduce<unknown>((value, name) => (isObject(value) || Array.isArray(value) ? (value as Fields)[name] : undefined), record);
}

/** One value, for people. */
export function show(field: string, value: unknown, record: Fields): string {
  if (value === undefined || value === null || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (/Bytes$/.test(field) || (inBytes(record) && bytesFields.has(field))) return formatSize(Number(value));
  if (field === "progress" && typeof value === "number") return `${Math.round(value * 100)} %`;
  if (typeof value === "string") {
    const time = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value);
    return time ? formatTime(value) : value;
  }
  if (Array.isArray(value)) return value.length === 0 ? "–" : value.map((one) => show("", one, {})).join(", ");
  if (isObject(value)) {
    const name = value["name"] ?? value["message"] ?? value["id"];
    if (name !== undefined && value["kind"] !== undefined)
      return `${String(name)} (${String(value["kind"]).replaceAll("_", " ")})`;
    if (name !== undefined) return String(name);
    return Object.entries(value)
      .map(([key, one]) => `${key}=${show(key, one, value)}`)
      .join(" ");
  }
  return String(value);
}

const isNumeric = (field: string, rows: Fields[]): boolean =>
  rows.every((row) => ["number", "undefined"].includes(typeof read(row, field))) &&
  rows.some((row) => typeof read(row, field) === "number");

/** Which fields a list without columns of its own shows: all that are short. */
function shortFields(rows: Fields[]): string[] {
  const hidden = new Set(["revision", "organisationId", "projectId", "bucketId"]);
  return [...new Set(rows.flatMap((row) => Object.keys(row)))].filter(
    (field) => !hidden.has(field) && rows.every((row) => !isObject(row[field]) || (row[field] as Fields)["name"] !== undefined),
  );
}

export function list(key: string, rows: Fields[], terminalColumns: number): string {
  const fields = columnsOf[key] ?? shortFields(rows);
  const columns: Column[] = fields.map((field) => ({
    title: title(field).toUpperCase(),
    right: isNumeric(field, rows) || /Bytes$/.test(field) || bytesFields.has(field),
    whole: ["id", "name", "slug", "key", "accessKeyId"].includes(field.split(".").at(-1) as string) && field !== "principal.name",
  }));
  return table(
    columns,
    rows.map((row) => fields.map((field) => show(field, read(row, field), row))),
    terminalColumns,
  );
}

/** One thing: its fields as names and values, its lists as small tables below. */
export function details(record: Fields, terminalColumns: number): string {
  const entries: [string, string][] = [];
  const below: string[] = [];
  for (const [field, value] of Object.entries(record)) {
    if (value === undefined) continue;
    if (Array.isArray(value) && value.some(isObject)) {
      below.push(`\n${title(field)}\n${list("", value as Fields[], terminalColumns)}`);
    } else if (Array.isArray(value))
      entries.push([title(field), value.length === 0 ? "–" : value.map((one) => show("", one, {})).join("\n")]);
    else if (isObject(value) && value["name"] === undefined && value["message"] === undefined) {
      for (const [inner, one] of Object.entries(value))
        entries.push([`${title(field)} ${title(inner)}`, show(inner, one, value)]);
    } else entries.push([title(field), show(field, value, record)]);
  }
  return block(entries) + below.join("");
}

/** Answers whose meaning a list of their fields would hide. */
const special: Record<string, (answer: Fields, columns: number) => string> = {
  identityGet(answer, columns) {
    const user = answer["user"] as Fields | undefined;
    const organisations = answer["organisations"] as (Fields & { projects: Fields[] })[];
    const head = block([
      ["name", show("principal", answer["principal"], answer)],
      ...(user ? ([["e-mail", String(user["email"])]] as [string, string][]) : []),
      ["recovery codes", String(answer["recoveryCodesLeft"])],
    ]);
    const roles = answer["bindings"] as Fields[];
    const rows = organisations.flatMap((one) => [
      { organisation: one["slug"], project: "", name: one["name"], id: one["id"] },
      ...one.projects.map((project) => ({
        organisation: one["slug"],
        project: project["slug"],
        name: project["name"],
        id: project["id"],
      })),
    ]);
    return [
      head,
      rows.length > 0 ? `\n${list("", rows, columns)}` : "",
      roles.length > 0
        ? `\n${list(
            "",
            roles.map((one) => ({ role: one["role"], at: scope(one) })),
            columns,
          )}`
        : "",
    ].join("");
  },
  usageSummarize(answer, columns) {
    const previous = answer["previous"] as Record<string, string>;
    const rows = (answer["series"] as Fields[]).map((one) => ({
      meter: one["meter"],
      total: one["total"],
      before: previous[String(one["meter"])] ?? "0",
      unit: one["unit"],
    }));
    const head = `${show("", answer["from"], {})} to ${show("", answer["to"], {})}\n`;
    return rows.length === 0 ? `${head}Nothing was used.\n` : `${head}\n${list("", rows, columns)}`;
  },
  auditVerify(answer, columns) {
    const first = answer["firstInvalid"] as Fields | undefined;
    const heads = answer["heads"] as Fields[];
    const verdict = answer["valid"]
      ? `The audit log is whole: ${answer["entries"]} entries in ${answer["chains"]} chain${answer["chains"] === 1 ? "" : "s"}.\n`
      : `The audit log has been changed: ${first?.["problem"] ?? "it does not verify"} (chain ${first?.["chain"]}, entry ${first?.["sequence"]}).\n`;
    return heads.length > 0 ? `${verdict}\n${list("", heads, columns)}` : verdict;
  },
};

export const isPage = (answer: unknown): answer is { items: Fields[]; nextCursor?: string } =>
  isObject(answer) && Array.isArray(answer["items"]);

/** An answer for people; `quiet` leaves the ids only. */
export function view(command: Command, answer: unknown, terminalColumns: number, quiet = false): string {
  if (quiet) return quietly(answer);
  const own = special[command.key];
  if (own && isObject(answer)) return own(answer, terminalColumns);
  if (isPage(answer)) return answer.items.length === 0 ? "" : list(command.key, answer.items, terminalColumns);
  if (isObject(answer)) return details(answer, terminalColumns);
  return answer === undefined ? "" : `${String(answer)}\n`;
}

function quietly(answer: unknown): string {
  if (isPage(answer)) return answer.items.map(quietly).join("");
  if (!isObject(answer)) return "";
  const id = answer["id"] ?? answer["key"] ?? answer["name"];
  return id === undefined ? "" : `${String(id)}\n`;
}

/** An empty list is no dead end: what makes the first entry. */
export function emptyNote(command: Command): string {
  const things = `${command.resource.replaceAll("-", " ")}s`.replace(/ys$/, "ies");
  const create = findCommand(command.resource, "create") ?? findCommand(command.resource, "upload");
  return create ? `No ${things} here yet. Make one: ${usage(create)}\n` : `No ${things} here.\n`;
}

/** What was shown now and never again. */
const shownOnce = ["secretAccessKey", "token", "link", "recoveryCodes", "secret"];
export const isShownOnce = (answer: unknown): boolean =>
  isObject(answer) && shownOnce.some((field) => typeof answer[field] === "string" || Array.isArray(answer[field]));
