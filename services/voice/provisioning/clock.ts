/** When the clocks of a zone change, as phones are told: "the last Sunday of March at 2". */
export interface Turn {
  /** 1 to 12. */
  month: number;
  /** The first to the fourth of the month; 5: the last. */
  week: number;
  /** From Sunday, 0. */
  weekday: number;
  /** By the clock as it was before. */
  hour: number;
}
export interface Zone {
  /** East of Greenwich, in winter. */
  offsetMinutes: number;
  summer?: { savedMinutes: number; begin: Turn; end: Turn };
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

function offsetAt(timeZone: string, at: number): number {
  const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(at);
  const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? "GMT";
  const [, sign, hours, minutes] = /GMT([+-])(\d+):(\d+)/.exec(name) ?? [];
  return sign === undefined ? 0 : (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/** The first hour of another offset; between two moments with one change. */
function changeBetween(timeZone: string, from: number, to: number): number {
  const before = offsetAt(timeZone, from);
  let [low, high] = [from, to];
  while (high - low > hourMs) {
    const middle = low + Math.floor((high - low) / hourMs / 2) * hourMs;
    if (offsetAt(timeZone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

function turnAt(timeZone: string, at: number): Turn {
  const local = new Date(at + offsetAt(timeZone, at - hourMs) * 60_000);
  const day = local.getUTCDate();
  const isLast = new Date(local.getTime() + 7 * dayMs).getUTCMonth() !== local.getUTCMonth();
  return {
    month: local.getUTCMonth() + 1,
    week: isLast ? 5 : Math.ceil(day / 7),
    weekday: local.getUTCDay(),
    hour: local.getUTCHours(),
  };
}

/** By the rule of a year: phones know rules, and no table of all zones. */
export function zoneOf(timeZone: string, year = new Date().getUTCFullYear()): Zone {
  const [january, july, next] = [Date.UTC(year, 0, 1), Date.UTC(year, 6, 1), Date.UTC(year + 1, 0, 1)];
  const [first, second] = [offsetAt(timeZone, january), offsetAt(timeZone, july)];
  // No rule is told where the year does not end as it began: the zone changes for good.
  if (first === second || first !== offsetAt(timeZone, next)) return { offsetMinutes: offsetAt(timeZone, next) };
  const [early, late] = [
    turnAt(timeZone, changeBetween(timeZone, january, july)),
    turnAt(timeZone, changeBetween(timeZone, july, next)),
  ];
  const isNorth = second > first;
  return {
    offsetMinutes: Math.min(first, second),
    summer: {
      savedMinutes: Math.abs(second - first),
      ...(isNorth ? { begin: early, end: late } : { begin: late, end: early }),
    },
  };
}

const two = (number: number): string => String(number).padStart(2, "0");
/** +1, +5:30. */
export const shortOffset = (minutes: number): string => {
  const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${minutes < 0 ? "-" : "+"}${hours}${rest === 0 ? "" : `:${two(rest)}`}`;
};
/** +05:30. */
export const longOffset = (minutes: number): string =>
  `${minutes < 0 ? "-" : "+"}${two(Math.trunc(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
/** From Monday, 1. */
const fromMonday = ({ weekday }: Turn): number => weekday || 7;
/** The day of the month on or after which it is. */
const firstDay = ({ week }: Turn): number => (week - 1) * 7 + 1;

export type ClockLines = (zone: Zone) => string;

export const yealinkClock: ClockLines = ({ offsetMinutes, summer }) => {
  const turn = (at: Turn) => `${at.month}/${at.week}/${fromMonday(at)}/${at.hour}`;
  const lines = [`local_time.time_zone = ${shortOffset(offsetMinutes)}`, `local_time.summer_time = ${summer ? 1 : 0}`];
  if (summer)
    lines.push(
      "local_time.dst_time_type = 1",
      `local_time.start_time = ${turn(summer.begin)}`,
      `local_time.end_time = ${turn(summer.end)}`,
      `local_time.offset_time = ${summer.savedMinutes}`,
    );
  return `${lines.join("\n")}\n`;
};

export const snomClock: ClockLines = ({ offsetMinutes, summer }) => {
  const turn = (at: Turn) => `${two(at.month)}.${two(at.week)}.${two(fromMonday(at))} ${two(at.hour)}:00:00`;
  const rule = summer ? `${summer.savedMinutes * 60} ${turn(summer.begin)} ${turn(summer.end)}` : "";
  const seconds = offsetMinutes * 60;
  return `<timezone perm="R"></timezone>
    <utc_offset perm="R">${seconds < 0 ? "" : "+"}${seconds}</utc_offset>
    <dst perm="R">${rule}</dst>
`;
};

/** The TZ of POSIX, where west is positive. */
export const grandstreamClock: ClockLines = ({ offsetMinutes, summer }) => {
  const turn = (at: Turn) => `M${at.month}.${at.week}.${at.weekday}/${at.hour}`;
  const west = (minutes: number) => shortOffset(-minutes);
  const standard = `MTZ${west(offsetMinutes)}`;
  const rule = summer ? `MDT${west(offsetMinutes + summer.savedMinutes)},${turn(summer.begin)},${turn(summer.end)}` : "";
  return `<P64>customize</P64>
    <P246>${standard}${rule}</P246>
`;
};

export const polyClock: ClockLines = ({ offsetMinutes, summer }) => {
  const turn = (name: string, at: Turn) =>
    [
      `month="${at.month}"`,
      `date="${at.week === 5 ? 1 : firstDay(at)}"`,
      `dayOfWeek="${at.weekday + 1}"`,
      `dayOfWeek.lastInMonth="${at.week === 5 ? 1 : 0}"`,
      `time="${at.hour}"`,
    ].map((each) => `tcpIpApp.sntp.daylightSavings.${name}.${each}`);
  return [
    'tcpIpApp.sntp.gmtOffset.overrideDHCP="1"',
    `tcpIpApp.sntp.gmtOffset="${offsetMinutes * 60}"`,
    `tcpIpApp.sntp.daylightSavings.enable="${summer ? 1 : 0}"`,
    'tcpIpApp.sntp.daylightSavings.fixedDayEnable="0"',
    ...(summer ? [...turn("start", summer.begin), ...turn("stop", summer.end)] : []),
  ].join("\n    ");
};

export const ciscoClock: ClockLines = ({ offsetMinutes, summer }) => {
  const turn = (at: Turn) => `${at.month}/${at.week === 5 ? -1 : firstDay(at)}/${fromMonday(at)}/${at.hour}:0:0`;
  const rule = summer
    ? `start=${turn(summer.begin)};end=${turn(summer.end)};save=${Math.floor(summer.savedMinutes / 60)}:${summer.savedMinutes % 60}:0`
    : "";
  return `<Time_Zone>GMT${longOffset(offsetMinutes)}</Time_Zone>
  <Daylight_Saving_Time_Rule>${rule}</Daylight_Saving_Time_Rule>
  <Daylight_Saving_Time_Enable>${summer ? "Yes" : "No"}</Daylight_Saving_Time_Enable>
`;
};

export const mitelClock: ClockLines = ({ offsetMinutes, summer }) => {
  const turn = (name: string, at: Turn) => [
    `dst ${name} month: ${at.month}`,
    `dst ${name} week: ${at.week === 5 ? -1 : at.week}`,
    `dst ${name} day: ${at.weekday + 1}`,
    `dst ${name} hour: ${at.hour}`,
  ];
  return `${[
    "time zone name: Custom",
    // West is positive.
    `time zone minutes: ${-offsetMinutes || 0}`,
    `dst config: ${summer ? 3 : 0}`,
    ...(summer
      ? [
          `dst minutes: ${summer.savedMinutes}`,
          "dst [start|end] relative date: 1",
          ...turn("start", summer.begin),
          ...turn("end", summer.end),
        ]
      : []),
  ].join("\n")}\n`;
};
