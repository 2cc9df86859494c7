import type { Overlay } from "../../driver.ts";
import { isIsolated, linkIndex, linkMaster, linkMtu, namespaceInode } from "./links.ts";
import type { RouterPlan } from "./plan.ts";
import type { MissingLinks } from "./router.ts";
import type { RouterState } from "./state.ts";

/** What of the links is not there, or is another one than the one that was made. */
export function lookAround(plan: RouterPlan, state: RouterState | undefined): MissingLinks {
  const known = (name: string) => {
    const index = linkIndex(name);
    return index !== undefined && index === state?.links[name];
  };
  const inode = namespaceInode(plan.namespace);
  const namespace = inode === undefined || inode !== state?.namespaceInode;
  const peers = new Set(plan.networks.map(({ peer }) => peer));
  const networks = plan.networks.filter(
    ({ bridge, peer, overlay }) =>
      namespace ||
      !known(bridge) ||
      !known(peer) ||
      linkMaster(peer) !== bridge ||
      (overlay !== undefined && linkMtu(peer) !== overlay.mtu),
  );
  const overlays = plan.networks.flatMap(({ overlay }) => overlay ?? []);
  const tunnels = overlays.filter(
    (overlay) => !known(overlay.device) || !isSame(overlay, state?.overlays?.[overlay.bridge]) || !isPlugged(overlay),
  );
  const devices = new Set(overlays.map(({ device }) => device));
  return {
    namespace,
    uplink: namespace || !known(plan.uplink),
    networks,
    // A bridge that was made anew has lost its own, whoever's that was.
    tunnels,
    surplus: (state?.bridges ?? []).filter(({ peer }) => !peers.has(peer)),
    surplusTunnels: Object.values(state?.overlays ?? {}).flatMap(({ device }) => (devices.has(device) ? [] : [device])),
  };
}

const isSame = (one: Overlay, other: Overlay | undefined): boolean => JSON.stringify(one) === JSON.stringify(other);
const isPlugged = ({ bridge, device }: Overlay): boolean => linkMaster(device) === bridge && isIsolated(device);

/** Whether bridges or tunnels of networks that the engine has a part in are other ones than those that were left: files tell. */
export const isDisturbed = ({ overlays, links, clean }: RouterState): boolean =>
  clean &&
  Object.values(overlays ?? {}).some(
    (overlay) => [overlay.bridge, overlay.device].some((name) => linkIndex(name) !== links[name]) || !isPlugged(overlay),
  );
