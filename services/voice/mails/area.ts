import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Area, placeOf, subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import type { mailRoutes, PhoneMail } from "./contract.ts";
import { createMailRounds } from "./sending.ts";
import { type MailRow, mailStore } from "./store.ts";

const view = (row: MailRow): PhoneMail => ({
  id: row.id,
  kind: row.kind,
  to: row.to,
  state: row.state,
  attempts: row.attempts,
  ...(row.message === null ? {} : { message: row.message }),
  createdAt: isoTime(row.createdAt),
  ...(row.triedAt === null ? {} : { triedAt: isoTime(row.triedAt) }),
});

export function createMailArea(parts: VoiceParts): Area<typeof mailRoutes> {
  const rounds = createMailRounds(parts);
  return {
    handlers: {
      async phoneMailList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const [below] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await mailStore.page(context.tx, {
          systemId: system.id,
          state: query.state,
          below: below === undefined ? undefined : String(below),
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, view, ({ id }) => [id]);
      },

      async phoneMailRetry(context, { params }) {
        const row = there(await mailStore.find(context.tx, params.phoneMail, { lock: true }), "phoneMail");
        context.authorize(placeOf(row), "phoneMail");
        if (row.state !== "failed")
          throw new CloudError("failed_precondition", "Only a mail that was given up can be sent again.", {
            details: { resource: "phoneMail", reason: "mail_not_failed", state: row.state },
          });
        await mailStore.retry(context.tx, row);
        context.audit({ ...subjectOf("phoneMail", row, row.kind), after: { state: "pending" } });
        return view(there(await mailStore.find(context.tx, row.id), "phoneMail"));
      },
    },
    workers: [
      { name: "voice.mails", everySeconds: 2, run: (signal) => rounds.round(signal) },
      { name: "voice.mail_history", everySeconds: 3600, run: () => rounds.forget() },
    ],
  };
}
