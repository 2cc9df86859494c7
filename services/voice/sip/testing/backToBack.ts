/** The smallest switchboard: what comes in goes out to one place, and what happens on one side happens on the other. */
import type { IncomingCall, SipStack, StackOptions } from "../ports.ts";

/** `stack` is asked for when a call comes, as it does not exist before its handlers. */
export function backToBack(stack: () => SipStack, target: (call: IncomingCall) => string): Pick<StackOptions, "onInvite"> {
  return {
    onInvite: (call) => {
      const offer = call.request.sdp;
      const out = stack().call({
        target: target(call),
        from: `<sip:${call.remote.uri.user ?? "anonymous"}@khmara.test>`,
        maxForwards: call.request.maxForwards - 1,
        ...(offer !== undefined && { sdp: offer }),
      });
      out.on("progress", ({ status, sdp }) => call.progress(status, sdp === undefined ? {} : { sdp }));
      out.on("answered", ({ sdp }) => call.answer({ sdp: sdp! }));
      out.on("refused", ({ status }) => call.reject(status));
      out.on("ended", ({ reasons }) => call.hangUp({ reason: reasons }));
      call.on("ended", ({ reasons }) => out.hangUp({ reason: reasons }));
      call.on("offer", async (incoming) => {
        const { status, sdp } = await out.reinvite(incoming.sdp === undefined ? {} : { sdp: incoming.sdp });
        if (status < 300 && sdp !== undefined) incoming.answer(sdp);
        else incoming.reject(status < 300 ? 488 : status);
      });
    },
  };
}
