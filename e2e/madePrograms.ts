import { newId } from "../kernel/ids.ts";
import { ago, place } from "./madePlace.ts";

const secret = "whsec_shown-this-once-and-never-again";

/** Programs that are told of calls, and one that answers them. */
export function madePrograms(phoneSystemId: string, queueId: string): Record<string, () => unknown> {
  const { projectId } = place;
  const own = { phoneSystemId, projectId, createdAt: ago(9999), revision: 1 };
  const webhook = (name: string, more: object) => ({
    id: newId("callWebhook"),
    name,
    url: "https://customers.example.org/hooks/phone/calls",
    events: ["call.started", "call.answered", "call.ended"],
    enabled: true,
    ...own,
    ...more,
  });
  const delivery = (minutes: number, more: object) => ({
    id: newId("callWebhookDelivery"),
    event: "call.ended",
    state: "delivered",
    attempts: 1,
    message: "It answered 200.",
    createdAt: ago(minutes),
    triedAt: ago(minutes),
    ...more,
  });
  const webhooks = [webhook("Customers", {}), webhook("Archive of recordings", { enabled: false, events: ["recording.saved"] })];
  const application = {
    id: newId("phoneApplication"),
    name: "Timetable by telephone",
    url: "https://timetable.example.org/answer",
    fallback: { kind: "queue", id: queueId },
    ...own,
  };
  return {
    callWebhookList: () => ({ items: webhooks }),
    callWebhookCreate: () => ({ webhook: webhook("Statistics", {}), secret }),
    callWebhookUpdate: () => webhooks[0],
    callWebhookDeliveryList: () => ({
      items: [
        delivery(2, { event: "call.started", state: "pending", attempts: 0, message: undefined, triedAt: undefined }),
        delivery(4, {}),
        delivery(95, { state: "failed", attempts: 6, message: "Nobody listens there: the connection was refused." }),
      ],
    }),
    phoneApplicationList: () => ({ items: [application] }),
    phoneApplicationCreate: () => ({ application, secret }),
  };
}
