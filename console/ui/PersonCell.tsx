import { Avatar } from "@mantine/core";
import { IconRobot } from "@tabler/icons-react";
import { initials } from "./initials.ts";

/** Who: a person by their letters, a program by a robot; the second line is what tells two of a name apart. */
export function PersonCell(props: { name: string; shown?: string; detail?: string | undefined; machine?: boolean }) {
  const { name, shown = name, detail, machine = false } = props;
  return (
    <span style={{ display: "flex", alignItems: "center", gap: 12, minWidth: 0 }}>
      <Avatar size={28} radius="md" color={machine ? "gray" : "sky"} variant="light" aria-hidden>
        {machine ? <IconRobot size={16} stroke={1.6} /> : initials(name)}
      </Avatar>
      <span style={{ minWidth: 0, lineHeight: 1.3 }}>
        <span style={{ display: "block", overflow: "hidden", textOverflow: "ellipsis" }}>{shown}</span>
        {detail && (
          <span
            style={{
              display: "block",
              fontSize: 12,
              fontWeight: 400,
              color: "var(--k-muted)",
              overflow: "hidden",
              textOverflow: "ellipsis",
            }}
          >
            {detail}
          </span>
        )}
      </span>
    </span>
  );
}
