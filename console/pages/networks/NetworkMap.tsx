import { IconRouter, IconServer, IconWorld } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Network } from "../../../services/compute/networks/contract.ts";
import { useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./NetworkMap.module.css";

const mostShown = 12;

/** The project's networks as a picture: the world, the router, and who is in which network under which address. */
export function NetworkMap({ networks }: { networks: Network[] }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const ports = useApiList("portList", { project: project.id });
  const at = (path: string) => projectAddress(organisation.slug, project.slug, path);
  return (
    <figure className={css.map} aria-label={t("networks.map")}>
      <div className={css.world}>
        <IconWorld size={18} stroke={1.6} aria-hidden />
        {t("networks.world")}
      </div>
      <div className={css.line} aria-hidden />
      <div className={css.router}>
        <IconRouter size={18} stroke={1.6} aria-hidden />
        {t("networks.router", { project: project.name })}
      </div>
      <div className={css.line} aria-hidden />
      <div className={css.networks}>
        {networks.map((network) => {
          const own = (ports.rows ?? []).filter(({ networkId }) => networkId === network.id);
          return (
            <section key={network.id} className={css.network} data-closed={!network.internet || undefined}>
              <header>
                <Link to={at(`networks/${network.id}`)}>{network.name}</Link>
                <code>{network.cidr}</code>
              </header>
              <ul>
                {own.slice(0, mostShown).map((port) => (
                  <li key={port.id}>
                    <Link to={at(`instances/${port.instanceId}`)}>
                      <IconServer size={14} stroke={1.6} aria-hidden />
                      {port.instanceName}
                    </Link>
                    <code>{port.ipv4}</code>
                    {port.floatingAddress && (
                      <code className={css.floating} title={t("networks.floating")}>
                        {port.floatingAddress}
                      </code>
                    )}
                  </li>
                ))}
                {own.length === 0 && <li className={css.none}>{t("networks.nobody")}</li>}
                {own.length > mostShown && <li className={css.none}>{t("networks.more", { count: own.length - mostShown })}</li>}
              </ul>
            </section>
          );
        })}
      </div>
    </figure>
  );
}
