import { Skeleton } from "@mantine/core";

/** The outline of a list while its first page comes. */
export function FilesSkeleton() {
  return (
    <div aria-busy="true">
      {[62, 38, 54, 45, 70, 33, 58].map((width) => (
        <div key={width} style={{ display: "flex", alignItems: "center", gap: 12, height: 44, padding: "0 8px 0 36px" }}>
          <Skeleton width={20} height={20} />
          <Skeleton width={`${width * 0.6}%`} height={12} />
        </div>
      ))}
    </div>
  );
}
