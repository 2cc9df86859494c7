import { z } from "zod";
import { id } from "../../../kernel/ids.ts";

export const oneTimeToken = z.string().min(20).max(200);
export const totpCode = z.string().regex(/^\d{6}$/, "Enter the 6 digits that the authenticator app shows.");
export const currency = z.string().regex(/^[A-Z]{3}$/, "Three capital letters of ISO 4217, such as EUR, UAH or USD.");
/** A scope of a token: `*`, a service (`objects.*`), a resource (`objects.bucket.*`) or reading only (`*.read`). */
export const scopes = z
  .array(
    z
      .string()
      .regex(
        /^(\*|\*\.read|[a-z]+(\.[a-z_]+)?\.\*|[a-z]+\.[a-z_]+\.[a-z_]+)$/,
        "Use *, *.read, objects.*, objects.bucket.* or a whole permission.",
      ),
  )
  .min(1)
  .max(50);

export const inOrganisation = z.object({ organisation: id("organisation") });
export const withReason = z.object({ reason: z.string().trim().min(1, "Say why; the person will be shown it.").max(300) });
export const webauthn = z.record(z.string(), z.unknown()).describe("A WebAuthn Level 3 JSON structure.");
export const secondFactorNote =
  "With a second factor the first answer is `unauthenticated` with `reason: second_factor_required`; send it again with `code` or `recoveryCode`.";

/** Not in the request's transaction: hashing a password would hold it for long, and what is counted and audited stays when it fails. */
export const ownTransactions = {};
