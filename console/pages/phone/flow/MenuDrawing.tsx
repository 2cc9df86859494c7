import { ActionIcon, Button, Select, Stack } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useRef, useState } from "react";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { PhoneMenuView } from "../../../../services/voice/elements/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { useDestinations } from "../shared/destinations.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";

type Keys = PhoneMenuView["keys"];
type Layout = PhoneMenuView["layout"];
interface Point {
  x: number;
  y: number;
}

const all = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const size = { width: 190, height: 54 };
const step = 16;
const usual = (node: string, index: number, narrow: boolean): Point =>
  node === "start" ? { x: 24, y: 24 } : { x: narrow ? 64 : 300, y: 24 + (index + (narrow ? 1.4 : 0)) * (size.height + 14) };
const kept = (value: number) => Math.max(0, Math.round(value / 4) * 4);

/**
 * A menu as it is drawn: the greeting on the left, a box for each key, a line from one to the other. Boxes are dragged, or moved by the arrow
 * keys; the form below the drawing does the same for whoever does not draw.
 */
export function MenuDrawing(props: {
  menu: PhoneMenuView;
  keys: Keys;
  layout: Layout;
  place: PhonePlace;
  onKeys: (keys: Keys) => void;
  onLayout: (layout: Layout) => void;
}) {
  const t = useT();
  const { keys, layout, place } = props;
  const { nameOf } = useDestinations(place.system.id);
  const [chosen, setChosen] = useState<string>();
  const narrow = matchMedia("(max-width: 820px)").matches;
  const drag = useRef<{ node: string; from: Point; at: Point }>(undefined);
  const nodes = ["start", ...all.filter((key) => key in keys), "fallback"];
  const at = (node: string): Point => layout[node] ?? usual(node, nodes.indexOf(node) - 1, narrow);
  const move = (node: string, to: Point) => props.onLayout({ ...layout, [node]: { x: kept(to.x), y: kept(to.y) } });
  const places = nodes.map(at);
  const extent = {
    width: Math.max(...places.map(({ x }) => x)) + size.width + 24,
    height: Math.max(...places.map(({ y }) => y)) + size.height + 24,
  };
  const start = at("start");
  const put = (key: string, destination: Destination | undefined) => {
    const { [key]: _, ...rest } = keys;
    props.onKeys(destination ? { ...rest, [key]: destination } : rest);
  };
  const free = all.filter((key) => !(key in keys));
  const words = (node: string): [title: string, text: string] =>
    node === "start"
      ? [t("phoneFlow.greeting"), greetingOf(props.menu, t("phoneFlow.nothing"))]
      : node === "fallback"
        ? [t("phoneFlow.fallback"), nameOf(props.menu.fallback)]
        : [t("phoneFlow.key", { key: node }), nameOf(keys[node])];
  return (
    <Stack gap="md">
      <section className={css.canvas} aria-label={t("phoneFlow.drawing")}>
        <svg width={extent.width} height={extent.height} aria-hidden="true">
          {nodes.slice(1).map((node) => {
            const to = at(node);
            const from = { x: start.x + size.width, y: start.y + size.height / 2 };
            const end = { x: to.x, y: to.y + size.height / 2 };
            const bend = Math.max(40, Math.abs(end.x - from.x) / 2);
            return (
              <path
                key={node}
                d={
                  narrow
                    ? `M${start.x + 20} ${start.y + size.height}V${end.y}H${end.x}`
                    : `M${from.x} ${from.y}C${from.x + bend} ${from.y} ${end.x - bend} ${end.y} ${end.x} ${end.y}`
                }
                fill="none"
                stroke={node === chosen ? "var(--k-accent)" : "var(--k-border-strong)"}
                strokeWidth={2}
                strokeDasharray={node === "fallback" ? "4 4" : undefined}
              />
            );
          })}
        </svg>
        {nodes.map((node) => {
          const [title, text] = words(node);
          const { x, y } = at(node);
          return (
            <button
              key={node}
              type="button"
              className={css.node}
              data-kind={node}
              style={{ left: x, top: y }}
              aria-pressed={chosen === node}
              onClick={() => setChosen(node)}
              onPointerDown={(event) => {
                if (!place.may) return;
                event.currentTarget.setPointerCapture(event.pointerId);
                drag.current = { node, from: { x: event.clientX, y: event.clientY }, at: { x, y } };
              }}
              onPointerMove={(event) => {
                const now = drag.current;
                if (now?.node !== node) return;
                move(node, { x: now.at.x + event.clientX - now.from.x, y: now.at.y + event.clientY - now.from.y });
              }}
              onPointerUp={() => {
                drag.current = undefined;
              }}
              onKeyDown={(event) => {
                const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
                if (by && place.may) {
                  event.preventDefault();
                  move(node, { x: x + (by[0] ?? 0), y: y + (by[1] ?? 0) });
                }
                if (event.key === "Delete" && place.may && node in keys) put(node, undefined);
              }}
            >
              <b>{title}</b>
              <small>{text}</small>
            </button>
          );
        })}
      </section>
      {place.may && (
        <ul className={css.rows}>
          {nodes
            .filter((node) => node in keys)
            .map((key) => (
              <li key={key} className={css.row}>
                <DestinationSelect
                  phoneSystem={place.system.id}
                  label={t("phoneFlow.key", { key })}
                  value={keys[key] ?? null}
                  onChange={(destination) => destination && put(key, destination)}
                />
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size={36}
                  aria-label={t("phoneFlow.removeKey", { key })}
                  onClick={() => put(key, undefined)}
                >
                  <IconX size={16} />
                </ActionIcon>
              </li>
            ))}
        </ul>
      )}
      {place.may && free.length > 0 && (
        <Select
          label={t("phoneFlow.addKey")}
          maw={220}
          value={null}
          data={free}
          onChange={(key) => {
            if (!key) return;
            put(key, { kind: "hang_up" });
            setChosen(key);
          }}
        />
      )}
      {place.may && Object.keys(layout).length > 0 && (
        <Button variant="subtle" size="xs" w="fit-content" onClick={() => props.onLayout({})}>
          {t("phoneFlow.arrange")}
        </Button>
      )}
    </Stack>
  );
}

function greetingOf(menu: PhoneMenuView, none: string): string {
  const { greeting } = menu;
  return greeting.kind === "text" ? (Object.values(greeting.text).find(Boolean) ?? none) : "♪";
}
