import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { postSigned } from "../../../kernel/outbound/webhook.ts";
import type { VoiceParts } from "../parts.ts";
import { type ApplicationRow, applicationSecretPurpose } from "./store/applications.ts";
import { type CallInstructions, type CallQuestion, callInstructions } from "./verbs/contract.ts";

const maximumBytes = 256 * 1024;

/**
 * Asks the program of an application what to do with a call: at its address, or at `action` of an earlier answer, relative to the address that gave it.
 * @throws CloudError unavailable, failed_precondition: it does not answer, or its address may not be called; invalid_argument: what it answers is no
 *   instructions, with `details.fields`. The call goes to the application's fallback then.
 */
export async function askProgram(
  { database, secrets }: Pick<VoiceParts, "database" | "secrets">,
  application: Pick<ApplicationRow, "id" | "url" | "secret">,
  question: CallQuestion,
  options: { action?: string | undefined; askedBefore?: string | undefined; signal?: AbortSignal } = {},
): Promise<{ url: string; instructions: CallInstructions }> {
  const base = options.askedBefore ?? application.url;
  const url = options.action === undefined ? base : addressOf(options.action, base);
  const { allowedNetworks } = await database.transaction("system", (tx) => outboundSettings(tx));
  const text = await postSigned(
    {
      id: newId("callWebhookDelivery"),
      url,
      secret: secrets.decrypt(applicationSecretPurpose(application.id), application.secret).toString(),
      body: JSON.stringify(question),
      allowedNetworks,
      ...(options.signal ? { signal: options.signal } : {}),
    },
    maximumBytes,
  );
  return { url, instructions: readInstructions(text) };
}

function addressOf(action: string, base: string): string {
  if (!URL.canParse(action, base))
    throw new CloudError("invalid_argument", `The program names an address that is none: ${action}`);
  const url = new URL(action, base);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new CloudError(
      "invalid_argument",
      `The program names an address that does not begin with https:// or http://: ${action}`,
    );
  return url.href;
}

export function readInstructions(text: string): CallInstructions {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new CloudError("invalid_argument", "The program's answer is no JSON.");
  }
  const read = callInstructions.safeParse(document);
  if (read.success) return read.data;
  const fields = read.error.issues.slice(0, 10).map(({ path, message }) => ({ path: path.join("."), message }));
  throw new CloudError("invalid_argument", `The program's answer is not understood: ${fields[0]?.path} ${fields[0]?.message}`, {
    details: { fields },
  });
}
