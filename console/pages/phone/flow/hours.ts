import type { TimeConditionView } from "../../../../services/voice/elements/contract.ts";

export type Hours = TimeConditionView["hours"];
export const slotsPerDay = 48;
const minutes = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
const timeOf = (slot: number) => `${String(Math.floor(slot / 2)).padStart(2, "0")}:${slot % 2 === 0 ? "00" : "30"}`;

/** Opening hours as half hours: `open[day][slot]`, Monday first. Hours past midnight are those of the next day. */
export function toGrid(hours: Hours): boolean[][] {
  const grid = Array.from({ length: 7 }, () => Array<boolean>(slotsPerDay).fill(false));
  const fill = (day: number, from: number, to: number) => {
    for (let slot = from; slot < to; slot++) (grid[day % 7] as boolean[])[slot] = true;
  };
  for (const { days, from, to } of hours) {
    const [begins, ends] = [Math.floor(minutes(from) / 30), Math.ceil(minutes(to) / 30)];
    for (const day of days) {
      if (ends > begins) fill(day - 1, begins, ends);
      else {
        fill(day - 1, begins, slotsPerDay);
        fill(day, 0, ends);
      }
    }
  }
  return grid;
}

/** The same as hours; days with the same ones are told together. */
export function fromGrid(grid: boolean[][]): Hours {
  const byTime = new Map<string, number[]>();
  grid.forEach((slots, day) => {
    for (let slot = 0; slot < slotsPerDay; slot++) {
      if (!slots[slot] || (slot > 0 && slots[slot - 1])) continue;
      let end = slot;
      while (end < slotsPerDay && slots[end]) end++;
      const key = `${timeOf(slot)} ${timeOf(end)}`;
      byTime.set(key, [...(byTime.get(key) ?? []), day + 1]);
    }
  });
  return [...byTime].map(([key, days]) => ({ days, from: key.slice(0, 5), to: key.slice(6) }));
}

/** Whether half hours say it exactly; else the hours are changed as times. */
export const fitsGrid = (hours: Hours): boolean =>
  hours.every(({ from, to }) => minutes(from) % 30 === 0 && minutes(to) % 30 === 0);
