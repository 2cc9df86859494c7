import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";

/** Voice processes, for whoever runs the cloud. */

export const voiceProcess = z.object({
  name: z.string().describe("Of the host and its SIP port."),
  state: z
    .enum(["running", "silent"])
    .describe("silent: it says nothing any longer, and others have taken over; it is forgotten after a day."),
  seenAt: timestamp,
  phoneSystems: z.number().int().describe("That it serves now."),
  calls: z.number().int(),
  webSocketUrl: z.string().optional().describe("Where browsers reach it; absent: by the console beside it alone."),
  mediaWorkers: z.array(z.object({ calls: z.number().int() })),
  rtpengines: z
    .array(z.object({ address: z.string(), state: z.enum(["up", "down"]), calls: z.number().int().describe("Of this process.") }))
    .describe("None: its media workers speak with phones themselves."),
});
export type VoiceProcess = z.output<typeof voiceProcess>;

export const processRoutes = {
  voiceProcessList: route({
    method: "GET",
    path: "/v1/voice-processes",
    summary: "List the processes that serve phones",
    description: "Those that drain are gone from it at once, though their calls go on.",
    permission: "voice.process.list",
    roles: ["admin"],
    query: pageQuery,
    response: page(voiceProcess),
    // Reads what is of all organisations.
    stream: {},
  }),
};
