import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

/** The one accent: a deep sky blue. Shade 6 carries white text with AA in both themes. */
const sky: MantineColorsTuple = [
  "#eef4ff",
  "#dde8fe",
  "#bfd3fd",
  "#95b5fb",
  "#6a94f8",
  "#426ff0",
  "#2756dd",
  "#2047b9",
  "#1d3b95",
  "#1b3476",
];
const gray: MantineColorsTuple = [
  "#f7f8fa",
  "#f0f2f5",
  "#e5e8ec",
  "#d4d8df",
  "#bcc2cc",
  "#8f97a3",
  "#5a6271",
  "#464d5a",
  "#2e333c",
  "#191c21",
];
const dark: MantineColorsTuple = [
  "#e4e7ec",
  "#b9bfca",
  "#9ba3b0",
  "#7f8794",
  "#2e333c",
  "#23272e",
  "#1a1d23",
  "#121419",
  "#0d0f13",
  "#090a0d",
];

const sans =
  'Inter, "SF Pro Text", -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", Ubuntu, Cantarell, "Helvetica Neue", "Liberation Sans", Arial, sans-serif';
const mono = 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "Liberation Mono", monospace';

/** 4 px steps, one radius, one accent, 14 px text. */
export const theme = createTheme({
  colors: { sky, gray, dark },
  primaryColor: "sky",
  primaryShade: 6,
  black: "#191c21",
  fontFamily: sans,
  fontFamilyMonospace: mono,
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "18px" },
  lineHeights: { xs: "1.35", sm: "1.4", md: "1.5", lg: "1.5", xl: "1.4" },
  spacing: { xs: "4px", sm: "8px", md: "16px", lg: "24px", xl: "32px" },
  radius: { xs: "8px", sm: "8px", md: "8px", lg: "8px", xl: "8px" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  autoContrast: false,
  headings: {
    fontFamily: sans,
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "22px", lineHeight: "1.3" },
      h2: { fontSize: "16px", lineHeight: "1.4" },
      h3: { fontSize: "14px", lineHeight: "1.4" },
    },
  },
  components: {
    Button: { defaultProps: { size: "sm" } },
    TextInput: { defaultProps: { size: "sm" } },
    Textarea: { defaultProps: { size: "sm" } },
    PasswordInput: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "sm", checkIconPosition: "right", allowDeselect: false } },
    NumberInput: { defaultProps: { size: "sm" } },
    Modal: {
      defaultProps: {
        centered: true,
        transitionProps: { duration: 120, transition: "fade" },
        overlayProps: { backgroundOpacity: 0.4 },
      },
    },
    Drawer: { defaultProps: { transitionProps: { duration: 140 }, overlayProps: { backgroundOpacity: 0.4 } } },
    // Half the radius: at 16 px the whole one would make a circle, which means "one of many".
    Checkbox: { defaultProps: { radius: 4 } },
    // Inside of a landmark, for those who go from landmark to landmark.
    Portal: { defaultProps: { target: "#layers" } },
    Menu: { defaultProps: { withInitialFocusPlaceholder: false, shadow: "md", transitionProps: { duration: 80 }, radius: "md" } },
    Popover: { defaultProps: { shadow: "md", transitionProps: { duration: 80 } } },
    Tooltip: { defaultProps: { openDelay: 350, transitionProps: { duration: 80 }, withArrow: false } },
  },
});

/** Mantine's light variants (alerts, badges) in the colours of their meaning: its own orange and yellow are too pale to read. */
const soft = (good: string, warn: string, bad: string, [goodSoft, warnSoft, badSoft]: readonly [string, string, string]) =>
  Object.fromEntries(
    (
      [
        ["green", good, goodSoft],
        ["yellow", warn, warnSoft],
        ["orange", warn, warnSoft],
        ["red", bad, badSoft],
      ] as const
    ).flatMap(([name, text, background]) => [
      [`--mantine-color-${name}-light-color`, text],
      [`--mantine-color-${name}-light`, background],
    ]),
  );

/** Meaning as variables, so that no page picks a colour by itself. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--k-canvas": "#f7f8fa",
    "--k-surface": "#ffffff",
    "--k-raised": "#ffffff",
    "--k-sunken": "#f3f5f7",
    "--k-hover": "#f0f2f5",
    "--k-border": "#e5e8ec",
    "--k-border-strong": "#d4d8df",
    "--k-text": "#191c21",
    "--k-muted": "#5a6271",
    "--k-accent": "#2756dd",
    "--k-accent-text": "#2047b9",
    "--k-accent-soft": "#eef4ff",
    "--k-good": "#14713c",
    "--k-good-soft": "#e6f5ec",
    "--k-warn": "#8a5200",
    "--k-warn-soft": "#fdf2df",
    "--k-bad": "#b3261e",
    "--k-bad-soft": "#fdecea",
    "--k-shadow": "0 1px 2px rgb(16 24 40 / 5%)",
    "--mantine-color-placeholder": "#697180",
    "--mantine-color-dimmed": "#5a6271",
    "--mantine-color-error": "#b3261e",
    "--mantine-color-default-border": "#d4d8df",
    "--mantine-color-anchor": "#2047b9",
    ...soft("#14713c", "#8a5200", "#b3261e", ["#e6f5ec", "#fdf2df", "#fdecea"]),
  },
  dark: {
    "--k-canvas": "#0d0f13",
    "--k-surface": "#121419",
    "--k-raised": "#16191f",
    "--k-sunken": "#0f1115",
    "--k-hover": "#1c2027",
    "--k-border": "#242830",
    "--k-border-strong": "#343a44",
    "--k-text": "#e4e7ec",
    "--k-muted": "#9ba3b0",
    "--k-accent": "#426ff0",
    "--k-accent-text": "#95b5fb",
    "--k-accent-soft": "#172340",
    "--k-good": "#6cd08f",
    "--k-good-soft": "#11291b",
    "--k-warn": "#f0b45b",
    "--k-warn-soft": "#2f2310",
    "--k-bad": "#ff9088",
    "--k-bad-soft": "#351715",
    "--k-shadow": "none",
    "--mantine-color-body": "#121419",
    "--mantine-color-text": "#e4e7ec",
    "--mantine-color-placeholder": "#88909d",
    "--mantine-color-dimmed": "#9ba3b0",
    "--mantine-color-error": "#ff9088",
    "--mantine-color-default": "#1a1d23",
    "--mantine-color-default-hover": "#23272e",
    "--mantine-color-default-border": "#343a44",
    "--mantine-color-anchor": "#95b5fb",
    ...soft("#6cd08f", "#f0b45b", "#ff9088", ["#11291b", "#2f2310", "#351715"]),
  },
});
