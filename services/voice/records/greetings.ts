import type { Tx } from "../../../kernel/db/database.ts";
import { there } from "../../../kernel/errors.ts";
import type { Area, BytesResponse, StreamContext } from "../../../kernel/service.ts";
import { receiveSound } from "../audio/receiving.ts";
import { serveAudio } from "../audio/serving.ts";
import { deleteAudio, findAudio } from "../audio/store.ts";
import { type ExtensionRow, extensionStore, systemOf } from "../extensions/store.ts";
import { myExtensions } from "../mine.ts";
import { placeOf, subjectOf } from "../parts.ts";
import { type GreetingKind, type GreetingView, greetingLimits, type recordRoutes } from "./contract.ts";
import { saveGreeting } from "./saving.ts";
import { greetingStore } from "./store/voicemails.ts";
import { viewGreeting } from "./views.ts";

type GreetingRoutes = Pick<
  typeof recordRoutes,
  | "voicemailGreetingList"
  | "voicemailGreetingUpload"
  | "voicemailGreetingDownload"
  | "voicemailGreetingDelete"
  | "myVoicemailGreetingList"
  | "myVoicemailGreetingUpload"
  | "myVoicemailGreetingDownload"
  | "myVoicemailGreetingDelete"
>;
type Open = (tx: Tx) => Promise<ExtensionRow>;

async function list(tx: Tx, extension: ExtensionRow) {
  return { items: (await greetingStore.all(tx, extension.id)).map(viewGreeting) };
}

const upload = (context: StreamContext, open: Open, kind: GreetingKind): Promise<GreetingView> =>
  receiveSound(context.request, greetingLimits, async (receive) => {
    await context.transaction(open);
    const { wav, milliseconds } = await receive();
    return context.transaction(async (tx) => {
      const extension = await open(tx);
      const greeting = await saveGreeting(tx, { id: extension.id, system: systemOf(extension) }, kind, [wav], milliseconds);
      context.audit(tx, {
        ...subjectOf("extension", extension, extension.name),
        action: "voice.greeting.update",
        after: { kind, seconds: milliseconds / 1000 },
      });
      return viewGreeting(greeting);
    });
  });

async function download(context: StreamContext, open: Open, kind: GreetingKind): Promise<BytesResponse> {
  const audio = await context.transaction(async (tx) => {
    const greeting = there(await greetingStore.find(tx, (await open(tx)).id, kind), "voicemailGreeting");
    return there(await findAudio(tx, greeting.audioId), "voicemailGreeting");
  });
  return serveAudio(context, audio, `${kind}.wav`);
}

async function remove(tx: Tx, extension: ExtensionRow, kind: GreetingKind): Promise<void> {
  const greeting = there(await greetingStore.find(tx, extension.id, kind), "voicemailGreeting");
  await greetingStore.delete(tx, greeting);
  await deleteAudio(tx, greeting.audioId);
}

/** What callers hear before they leave a message: of anybody, and one's own. */
export function greetingHandlers(): Area<GreetingRoutes>["handlers"] {
  const ofSystem =
    (context: Pick<StreamContext, "authorize">, id: string): Open =>
    async (tx) => {
      const extension = there(await extensionStore.find(tx, id), "extension");
      context.authorize(placeOf(extension), "extension");
      return extension;
    };
  const mine =
    (context: Pick<StreamContext, "principal">, id: string): Open =>
    async (tx) =>
      there((await myExtensions(tx, context.principal, id))[0], "extension");
  const auditOf = (extension: ExtensionRow, kind: GreetingKind) => ({
    ...subjectOf("extension", extension, extension.name),
    action: "voice.greeting.delete",
    before: { kind },
  });
  return {
    voicemailGreetingList: async (context, { params }) => list(context.tx, await ofSystem(context, params.extension)(context.tx)),
    voicemailGreetingUpload: (context, { params }) => upload(context, ofSystem(context, params.extension), params.kind),
    voicemailGreetingDownload: (context, { params }) => download(context, ofSystem(context, params.extension), params.kind),
    async voicemailGreetingDelete(context, { params }) {
      const extension = await ofSystem(context, params.extension)(context.tx);
      await remove(context.tx, extension, params.kind);
      context.audit(auditOf(extension, params.kind));
      return undefined;
    },
    myVoicemailGreetingList: async (context, { params }) => list(context.tx, await mine(context, params.extension)(context.tx)),
    myVoicemailGreetingUpload: (context, { params }) => upload(context, mine(context, params.extension), params.kind),
    myVoicemailGreetingDownload: (context, { params }) => download(context, mine(context, params.extension), params.kind),
    async myVoicemailGreetingDelete(context, { params }) {
      const extension = await mine(context, params.extension)(context.tx);
      await remove(context.tx, extension, params.kind);
      context.audit(auditOf(extension, params.kind));
      return undefined;
    },
  };
}
